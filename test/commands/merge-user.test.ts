import t from 'tap'
import { mergeUser } from '../../src/commands/merge-user.ts'
import { localStore } from '../../src/control/state-store.ts'
import { pushed } from '../store/contract.ts'
import { folder, openStore } from './state-fixture.ts'
import { byName } from '../store/by-name.ts'

t.test('a user who is removed while documents come is told', async (t) => {
  const store = await openStore(await folder(t))
  t.teardown(() => store.close())
  const documents = async function* (): AsyncGenerator<{ rows: [typeof pushed] }[]> {
    yield [{ rows: [pushed] }]
    await byName(store).deleteUser('ann')
    yield [{ rows: [pushed] }]
  }
  await t.rejects(mergeUser(localStore(store, store.admin), { username: 'ann', key: 'K' }, documents()), {
    message: 'ann was removed meanwhile. The rest of its records was not imported.',
  })
})

t.test('without a key no user is made', async (t) => {
  const store = await openStore(await folder(t))
  t.teardown(() => store.close())
  await store.createUser({ username: 'ann', key: 'K' })
  const merged = { isNew: false, documents: 1, latest: 1, rows: 1 }
  t.same(await mergeUser(localStore(store, store.admin), { username: 'ann', key: undefined }, [[{ rows: [pushed] }]]), {
    username: 'ann',
    ...merged,
  })
})
