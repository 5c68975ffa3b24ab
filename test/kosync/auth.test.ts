import { pbkdf2Sync } from 'node:crypto'
import { hashSync } from 'bcryptjs'
import t from 'tap'
import { keyOfPassword } from '../../src/kosync/credentials.ts'
import { matchesHash } from '../../src/accounts/key-hash.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import type { User } from '../../src/store/store.ts'
import { build, position, Reader } from '../helper.ts'
import { byName } from '../store/by-name.ts'

const options = { hashKeys: true, scryptCost: 14, loginFailuresPerMinute: 0, registrationsPerHour: 0 }

t.test('a plain key of Python kss logs in, and is replaced by its hash', async (t) => {
  const store = new MemoryStore()
  const reader = new Reader(build(t, { store }))
  await store.createUser({ username: 'ann', key: reader.key })
  t.equal((await new Reader(reader.app, 'ann', 'wrong').authorize()).statusCode, 401)
  t.equal((await store.getUser('ann'))?.key, reader.key)
  t.equal((await reader.authorize()).statusCode, 200)
  t.ok(await matchesHash(reader.key, (await store.getUser('ann'))?.key ?? ''))
  t.equal((await reader.authorize()).statusCode, 200)
  t.equal((await reader.update(position)).statusCode, 200)
})

t.test('a plain key that can not be upgraded logs in all the same', async (t) => {
  class ReadOnly extends MemoryStore {
    override async upgradeKey(): Promise<never> {
      throw Object.assign(new Error('EROFS'), { code: 'EROFS', errno: -30 })
    }
  }
  const store = new ReadOnly()
  const reader = new Reader(build(t, { store }))
  await store.createUser({ username: 'ann', key: reader.key })
  t.equal((await reader.authorize()).statusCode, 200)
})

t.test('with keys that stay plain nothing is replaced, and nobody else gets in', async (t) => {
  const store = new MemoryStore()
  const reader = new Reader(build(t, { store, auth: { ...options, hashKeys: false } }))
  t.equal((await reader.register()).statusCode, 201)
  t.equal((await reader.authorize()).statusCode, 200)
  t.equal((await new Reader(reader.app, 'ann', 'wrong').authorize()).statusCode, 401)
  t.equal((await store.getUser('ann'))?.key, reader.key)
})

t.test('a hash of less cost than is set is replaced at a log-in', async (t) => {
  const store = new MemoryStore()
  const reader = new Reader(build(t, { store }))
  await reader.register()
  const stricter = new Reader(build(t, { store, auth: { ...options, scryptCost: 15 } }))
  t.equal((await stricter.authorize()).statusCode, 200)
  t.match((await store.getUser('ann'))?.key, /^\$scrypt\$ln=15,/)
  t.equal((await stricter.authorize()).statusCode, 200)
})

const secret = keyOfPassword('secret')
const imported = {
  KoInsight: hashSync(secret, 4),
  'crosspoint-sync': `pbkdf2$10000$salt$${pbkdf2Sync(secret, 'salt', 10_000, 32, 'sha256').toString('hex')}`,
}

for (const [server, hash] of Object.entries(imported)) {
  t.test(`a hash of ${server} logs in its owner only, and is replaced by ours`, async (t) => {
    const store = new MemoryStore()
    const reader = new Reader(build(t, { store }))
    await store.createUser({ username: 'ann', key: hash })
    t.equal((await new Reader(reader.app, 'ann', 'wrong').authorize()).statusCode, 401)
    const headers = { 'x-auth-user': 'ann', 'x-auth-key': hash }
    t.equal((await reader.app.inject({ url: '/users/auth', headers })).statusCode, 401, 'the hash is no key')
    t.equal((await store.getUser('ann'))?.key, hash)
    t.equal((await reader.authorize()).statusCode, 200)
    t.match((await store.getUser('ann'))?.key, /^\$scrypt\$ln=8,/)
    t.equal((await reader.authorize()).statusCode, 200)
    t.equal((await new Reader(reader.app, 'ann', 'wrong').authorize()).statusCode, 401)
  })

  t.test(`a hash of ${server} logs in and stays where hashes are not made`, async (t) => {
    const store = new MemoryStore()
    const reader = new Reader(build(t, { store, auth: { ...options, hashKeys: false } }))
    await store.createUser({ username: 'ann', key: hash })
    t.equal((await reader.authorize()).statusCode, 200)
    t.equal((await store.getUser('ann'))?.key, hash)
    t.equal((await new Reader(reader.app, 'ann', 'wrong').authorize()).statusCode, 401)
  })
}

t.test('who registers with a key that looks like a hash logs in with that key', async (t) => {
  for (const hashKeys of [true, false]) {
    const app = build(t, { auth: { ...options, hashKeys } })
    for (const [server, key] of Object.entries(imported)) {
      const body = { username: server, password: key }
      t.equal((await app.inject({ method: 'POST', url: '/users/create', body })).statusCode, 201)
      const log = (as: string) =>
        app.inject({ url: '/users/auth', headers: { 'x-auth-user': server, 'x-auth-key': as } })
      t.equal((await log(key)).statusCode, 200)
      t.equal((await log(secret)).statusCode, 401)
    }
  }
})

t.test('the hash is no key', async (t) => {
  const store = new MemoryStore()
  const reader = new Reader(build(t, { store }))
  await reader.register()
  const { key: hash = '' } = (await store.getUser('ann')) ?? {}
  const headers = { 'x-auth-user': 'ann', 'x-auth-key': hash }
  t.equal((await reader.app.inject({ url: '/users/auth', headers })).statusCode, 401)
})

t.test('a verified key is forgotten when the stored one changes', async (t) => {
  const store = new MemoryStore()
  const reader = new Reader(build(t, { store }))
  await reader.register()
  t.equal((await reader.authorize()).statusCode, 200)
  await byName(store).setKey('ann', 'another')
  t.equal((await reader.authorize()).statusCode, 401)
  t.equal((await new Reader(reader.app, 'ann', 'wrong').authorize()).statusCode, 401)
})

t.test('log-ins that come together are checked once each, and get their own answer', async (t) => {
  const reader = new Reader(build(t))
  await reader.register()
  const wrong = new Reader(reader.app, 'ann', 'wrong')
  const replies = await Promise.all([reader, wrong, reader, wrong, reader].map((who) => who.authorize()))
  t.same(
    replies.map(({ statusCode }) => statusCode),
    [200, 401, 200, 401, 200],
  )
})

t.test('a verified key is remembered too where the store has to look the user up', async (t) => {
  class Slow extends MemoryStore {
    override async getUser(username: string): Promise<User | undefined> {
      return await super.getUser(username)
    }
  }
  const reader = new Reader(build(t, { store: new Slow() }))
  await reader.register()
  for (let round = 0; round < 2; round += 1) {
    t.equal((await reader.authorize()).statusCode, 200)
    t.equal((await new Reader(reader.app, 'ann', 'wrong').authorize()).statusCode, 401)
  }
})

t.test('an account that has no id yet gets one at the log-in, and keeps its key', async (t) => {
  class Old extends MemoryStore {
    readonly stored: string[] = []
    override async getUser(username: string): Promise<User | undefined> {
      const user = await super.getUser(username)
      return user && { ...user, unsaved: true }
    }
    override async upgradeKey(...args: Parameters<MemoryStore['upgradeKey']>): Promise<void> {
      this.stored.push(args[2])
      await super.upgradeKey(...args)
    }
  }
  const store = new Old()
  const reader = new Reader(build(t, { store, auth: { ...options, hashKeys: false } }))
  await store.createUser({ username: 'ann', key: reader.key })
  t.equal((await reader.authorize()).statusCode, 200)
  t.same(store.stored, [reader.key])
})
