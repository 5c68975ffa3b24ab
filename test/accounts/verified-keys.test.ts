import * as crypto from 'node:crypto'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import type { Authenticator } from '../../src/accounts/authenticator.ts'
import { hashKey } from '../../src/accounts/key-hash.ts'
import { KeyHasher } from '../../src/accounts/key-hasher.ts'
import { Limits } from '../../src/accounts/limits.ts'
import type { VerifiedKeys } from '../../src/accounts/verified-keys.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import type { User } from '../../src/store/store.ts'

/** Gives a new object, of new strings, each time. */
class CopyingStore extends MemoryStore {
  override getUser(username: string): User | undefined {
    return structuredClone(super.getUser(username) as User | undefined)
  }
}

/** A module that counts the MACs it makes. */
async function counting(t: Test, path: string): Promise<{ module: unknown; macs: () => number }> {
  let count = 0
  const hash = (...args: Parameters<typeof crypto.hash>): ReturnType<typeof crypto.hash> => {
    count += 1
    return crypto.hash(...args)
  }
  const module: unknown = await t.mockImport(path, { 'node:crypto': { ...crypto, hash } })
  return { module, macs: () => count }
}

async function openKeys(t: Test, options: ConstructorParameters<typeof VerifiedKeys>[0]) {
  const { module, macs } = await counting(t, '../../src/accounts/verified-keys.ts')
  const { VerifiedKeys: Counted } = module as { VerifiedKeys: typeof VerifiedKeys }
  return { keys: new Counted(options), macs }
}

function user(username: string): User {
  return { username, key: `stored of ${username}`, account: { username, folder: username, id: '1', generation: 1 } }
}

t.test('a store that copies each user costs no hash and no MAC more', async (t) => {
  const { module, macs } = await counting(t, '../../src/accounts/authenticator.ts')
  const { Authenticator: Counted } = module as { Authenticator: typeof Authenticator }
  let hashes = 0
  class CountingHasher extends KeyHasher {
    override check(...args: Parameters<KeyHasher['check']>): ReturnType<KeyHasher['check']> {
      hashes += 1
      return super.check(...args)
    }
  }
  const store = new CopyingStore()
  await store.createUser({ username: 'ann', key: await hashKey('secret') })
  const authenticator = new Counted({
    store,
    logger: pino({ level: 'silent' }),
    hasher: new CountingHasher({ hashKeys: true, scryptCost: 14 }),
    limits: new Limits({ loginFailuresPerMinute: 0, registrationsPerHour: 0 }),
    adopt: undefined,
  })
  const verify = () => authenticator.verify({ username: 'ann', key: 'secret' }, { ip: '192.0.2.1' }, 'unauthorized')
  await verify()
  verify()
  const before = macs()
  for (let request = 0; request < 100; request += 1) t.match(verify(), { username: 'ann', generation: 1 })
  t.equal(macs(), before)
  t.equal(hashes, 1)
  store.setDisabled('ann', true)
  await t.rejects(Promise.resolve(verify()), { message: 'Unauthorized' })
})

t.test('a key counts only with what was stored when it was verified', async (t) => {
  const { keys } = await openKeys(t, {})
  keys.remember(user('ann'), 'secret')
  t.equal(keys.has(user('ann'), 'secret'), true)
  t.equal(keys.has(user('ann'), 'wrong'), false)
  t.equal(keys.has(user('bob'), 'secret'), false)
  t.equal(keys.has({ ...user('ann'), key: 'another hash' }, 'secret'), false)
})

t.test('the account that was verified first is forgotten first', async (t) => {
  const { keys } = await openKeys(t, { mostAccounts: 2 })
  for (const name of ['ann', 'bob', 'cid']) keys.remember(user(name), name)
  t.same(
    ['ann', 'bob', 'cid'].map((name) => keys.has(user(name), name)),
    [false, true, true],
  )
})

t.test('no more MACs are kept than said', async (t) => {
  const { keys, macs } = await openKeys(t, { mostMacs: 1 })
  for (const name of ['ann', 'bob']) keys.remember(user(name), name)
  for (const name of ['ann', 'bob', 'bob', 'ann']) keys.has(user(name), name)
  t.equal(macs(), 2 + 3)
})

t.test('a MAC is not kept for long', async (t) => {
  const { keys, macs } = await openKeys(t, { macsMs: 1 })
  keys.remember(user('ann'), 'secret')
  while (macs() < 4) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    t.equal(keys.has(user('ann'), 'secret'), true)
  }
})
