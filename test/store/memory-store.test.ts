import t from 'tap'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { testStore } from './contract.ts'

testStore(t, async () => new MemoryStore())

t.test('closing is nothing to it', async () => {
  await new MemoryStore().close()
})
