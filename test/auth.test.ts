import { pino } from 'pino'
import t from 'tap'
import { Auth } from '../src/auth.ts'
import { ProtocolError } from '../src/errors.ts'
import { matchesHash } from '../src/key-hash.ts'
import { MemoryStore } from '../src/store/memory-store.ts'
import type { User } from '../src/store/store.ts'
import { build, position, Reader } from './helper.ts'

const silent = pino({ level: 'silent' })
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
    override async replaceKey(): Promise<never> {
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
  const { key = '' } = (await store.getUser('ann')) ?? {}
  await store.replaceKey('ann', key, 'another')
  t.equal((await reader.authorize()).statusCode, 401)
  t.equal((await new Reader(reader.app, 'ann', 'wrong').authorize()).statusCode, 401)
})

t.test('a change of key that another one overtakes is tried again, and ends with the account', async (t) => {
  const store = new MemoryStore()
  const auth = new Auth(store, silent, options)
  await store.createUser({ username: 'ann', key: 'K' })
  await Promise.all([auth.changeKey('ann', '1'), auth.changeKey('ann', '2')])
  t.not((await store.getUser('ann'))?.key, 'K')

  class Overtaken extends MemoryStore {
    override async replaceKey(username: string): Promise<boolean> {
      await this.deleteUser(username)
      return false
    }
  }
  const overtaken = new Overtaken()
  await overtaken.createUser({ username: 'ann', key: 'K' })
  await t.rejects(new Auth(overtaken, silent, options).changeKey('ann', '1'), new ProtocolError('unauthorized'))
})

t.test('a verified key is verified again after ten minutes', async (t) => {
  const reader = new Reader(build(t))
  await reader.register()
  t.equal((await reader.authorize()).statusCode, 200)
  const now = performance.now()
  t.intercept(performance, 'now', { value: () => now + 11 * 60_000 })
  t.equal((await new Reader(reader.app, 'ann', 'wrong').authorize()).statusCode, 401)
  t.equal((await reader.authorize()).statusCode, 200)
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
