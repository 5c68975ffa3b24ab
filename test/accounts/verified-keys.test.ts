import * as crypto from 'node:crypto'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { Authenticator } from '../../src/accounts/authenticator.ts'
import { hashKey } from '../../src/accounts/key-hash.ts'
import { KeyHasher } from '../../src/accounts/key-hasher.ts'
import { Limits } from '../../src/accounts/limits.ts'
import { VerifiedKeys, type VerifiedKeysOptions } from '../../src/accounts/verified-keys.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import type { User } from '../../src/store/store.ts'
import { adminByName } from '../store/by-name.ts'

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

async function openKeys(t: Test, options: VerifiedKeysOptions) {
  const { module, macs } = await counting(t, '../../src/accounts/verified-keys.ts')
  const { VerifiedKeys: Counted } = module as { VerifiedKeys: typeof VerifiedKeys }
  return { keys: new Counted(options), macs }
}

/** Hashes keys, and counts them. */
class CountingHasher extends KeyHasher {
  hashes = 0
  override check(...args: Parameters<KeyHasher['check']>): ReturnType<KeyHasher['check']> {
    this.hashes += 1
    return super.check(...args)
  }
}

/** A function that logs in with ann's key, or another one. */
function logInWith(Class: typeof Authenticator, store: MemoryStore, hasher: KeyHasher, verified?: VerifiedKeys) {
  const authenticator = new Class({
    store,
    logger: pino({ level: 'silent' }),
    hasher,
    limits: new Limits({ loginFailuresPerMinute: 0, registrationsPerHour: 0 }),
    adopt: undefined,
    verified,
  })
  return (key = 'secret') => authenticator.verify({ username: 'ann', key }, { ip: '192.0.2.1' }, 'unauthorized')
}

function user(username: string): User {
  return { username, key: `stored of ${username}`, account: { username, folder: username, id: '1', generation: 1 } }
}

t.test('a store that copies each user costs no hash and no MAC more', async (t) => {
  const { module, macs } = await counting(t, '../../src/accounts/authenticator.ts')
  const { Authenticator: Counted } = module as { Authenticator: typeof Authenticator }
  const store = new CopyingStore()
  await store.createUser({ username: 'ann', key: await hashKey('secret') })
  const hasher = new CountingHasher({ hashKeys: true, scryptCost: 14 })
  const verify = logInWith(Counted, store, hasher)
  await verify()
  verify()
  const before = macs()
  for (let request = 0; request < 100; request += 1) t.match(verify(), { username: 'ann', generation: 1 })
  t.equal(macs(), before)
  t.equal(hasher.hashes, 1)
  await adminByName(store).setDisabled('ann', true)
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

/** What the next process gets. */
function nextAfter(keys: VerifiedKeys, options: VerifiedKeysOptions = {}): VerifiedKeys {
  return new VerifiedKeys({ kept: structuredClone(keys.keep()), ...options })
}

t.test('a key of the process before costs no hash, and a wrong one costs one', async (t) => {
  const store = new CopyingStore()
  await store.createUser({ username: 'ann', key: await hashKey('secret') })
  const hasher = new CountingHasher({ hashKeys: true, scryptCost: 14 })
  const before = new VerifiedKeys()
  await logInWith(Authenticator, store, hasher, before)()
  t.equal(hasher.hashes, 1)
  const verify = logInWith(Authenticator, store, hasher, nextAfter(before, { leastLogN: 14 }))
  await t.rejects(Promise.resolve(verify('wrong')), { message: 'Unauthorized' })
  t.equal(hasher.hashes, 2)
  t.match(verify(), { username: 'ann', generation: 1 })
  t.match(await verify(), { username: 'ann', generation: 1 })
  t.equal(hasher.hashes, 2)
})

t.test('a hash that is to cost more is made anew by a key of the process before', async (t) => {
  const store = new MemoryStore()
  await store.createUser({ username: 'ann', key: await hashKey('secret', 8) })
  const before = new VerifiedKeys()
  await logInWith(Authenticator, store, new KeyHasher({ hashKeys: true, scryptCost: 8 }), before)()
  const hasher = new CountingHasher({ hashKeys: true, scryptCost: 9 })
  await logInWith(Authenticator, store, hasher, nextAfter(before, { leastLogN: 9 }))()
  t.equal(hasher.hashes, 1)
  t.match(await store.getUser('ann'), { key: /^\$scrypt\$ln=9,/ })
})

t.test('an account whose id is not stored yet is verified again, which stores it', async (t) => {
  const before = new VerifiedKeys()
  before.remember(user('ann'), 'secret')
  t.equal(nextAfter(before).has({ ...user('ann'), unsaved: true }, 'secret'), false)
  t.equal(nextAfter(before).has(user('ann'), 'secret'), true)
})

t.test('what is not used between two stops is kept too, and no longer than it would be in one process', async (t) => {
  const before = new VerifiedKeys()
  before.remember(user('ann'), 'secret')
  before.remember(user('bob'), 'secret')
  const days = 24 * 3600_000
  const start = performance.now()
  let passed = 20 * days
  t.intercept(performance, 'now', { value: () => start + passed })
  const next = nextAfter(before)
  t.equal(next.has(user('bob'), 'secret'), true)
  passed += 9 * days
  const third = nextAfter(next)
  t.equal(third.has(user('ann'), 'wrong'), false)
  passed += 2 * days
  t.equal(third.has(user('ann'), 'secret'), false)
  t.equal(third.has(user('bob'), 'secret'), true)
  t.match(third.keep().keys, [['bob']])
})

t.test('no more keys are kept than said', async (t) => {
  const before = new VerifiedKeys()
  for (const name of ['ann', 'bob', 'cid']) before.remember(user(name), name)
  const next = nextAfter(before, { mostAccounts: 2 })
  next.has(user('ann'), 'ann')
  t.match(next.keep().keys, [['cid'], ['ann']], 'those that were verified last')
  for (const name of ['bob', 'cid']) next.has(user(name), name)
  t.match(next.keep().keys, [['bob'], ['cid']])
})

t.test('what is kept is neither the key nor what is stored of it', async (t) => {
  const keys = new VerifiedKeys()
  keys.remember({ ...user('ann'), key: 'plain' }, 'plain')
  t.notMatch(JSON.stringify(keys.keep()), 'plain')
})
