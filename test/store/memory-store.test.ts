import t from 'tap'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { testAdmin, testStore } from './contract.ts'

testStore(t, async () => new MemoryStore())

testAdmin(t, async () => {
  const store = new MemoryStore()
  return { store, admin: store }
})

t.test('closing is nothing to it', async () => {
  await new MemoryStore().close()
})
