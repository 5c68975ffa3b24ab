import t from 'tap'
import { Access } from '../../src/audiobookshelf/access.ts'
import { readSettings, type Values } from '../../src/audiobookshelf/settings.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import type { Account } from '../../src/store/store.ts'

async function make(
  values: Values,
  disableRegistration: boolean,
  names = ['ann'],
): Promise<{
  access: Access
  store: MemoryStore
  account: (name: string) => Promise<Account>
  pass: (ms: number) => void
}> {
  const store = new MemoryStore()
  let now = Date.now()
  for (const username of names) await store.createUser({ username, key: 'k' })
  const settings = readSettings({ AUDIOBOOKSHELF_BASE_URL: 'http://localhost', ...values }, () => '')!
  const access = new Access({
    store,
    admin: store.admin,
    settings: () => settings,
    disableRegistration,
    now: () => now,
  })
  const account = async (name: string): Promise<Account> => (await store.getUser(name))!.account
  return { access, store, account, pass: (ms) => void (now += ms) }
}

t.test('the map comes first, then the default key where registration is closed', async (t) => {
  const values = { AUDIOBOOKSHELF_API_KEY: 'all', AUDIOBOOKSHELF_USER_MAP: '{"ann": "own", "bob": false}' }
  const { access, account } = await make(values, true, ['ann', 'bob', 'cyd'])
  t.same(await access.keyOf(await account('ann')), { apiKey: 'own' })
  t.equal(await access.keyOf(await account('bob')), undefined)
  t.same(await access.keyOf(await account('cyd')), { apiKey: 'all' })
  const without = await make({}, true)
  t.equal(await without.access.keyOf(await without.account('ann')), undefined)
})

t.test('while registration is open, only the one account there is has the default key', async (t) => {
  const { access, account, store, pass } = await make({ AUDIOBOOKSHELF_API_KEY: 'all' }, false)
  t.same(await access.keyOf(await account('ann')), { apiKey: 'all' })
  await store.createUser({ username: 'eve', key: 'k' })
  access.forget()
  t.equal(await access.keyOf(await account('eve')), undefined)
  t.equal(await access.keyOf(await account('ann')), undefined)
  await store.deleteUser(await account('eve'))
  pass(31_000)
  t.equal(await access.keyOf(await account('ann')), undefined, 'that there are more is believed for longer')
  pass(600_000)
  t.same(await access.keyOf(await account('ann')), { apiKey: 'all' })
})

t.test('an account that is made while they are counted counts', async (t) => {
  const { access, account, store } = await make({ AUDIOBOOKSHELF_API_KEY: 'all' }, false)
  const listUsers = store.admin.listUsers.bind(store.admin)
  store.admin.listUsers = async (...page) => {
    const listed = await listUsers(...page)
    access.forget()
    return listed
  }
  t.equal(await access.keyOf(await account('ann')), undefined)
})

t.test('a refused key is tried after 5 min, then hourly, and another key at once', async (t) => {
  const { access, pass } = await make({}, true)
  const key = { apiKey: 'a' }
  t.equal(access.refusedUntil(key), 0)
  const began = Date.now()
  access.refuse(key)
  const first = access.refusedUntil(key)
  t.ok(first >= began + 299_000 && first <= Date.now() + 300_000)
  t.equal(access.refusedUntil({ apiKey: 'b' }), 0)
  pass(300_000)
  access.refuse(key)
  t.ok(access.refusedUntil(key) >= first + 3_500_000)
  access.accept(key)
  t.equal(access.refusedUntil(key), 0)
  access.refuse(key)
  access.retry()
  t.equal(access.refusedUntil(key), 0)
})
