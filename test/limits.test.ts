import { pino } from 'pino'
import t, { type Test } from 'tap'
import type { AuthOptions } from '../src/auth.ts'
import { Limits } from '../src/limits.ts'
import { MemoryStore } from '../src/store/memory-store.ts'
import type { User } from '../src/store/store.ts'
import { build, position, Reader } from './helper.ts'

interface Guarded {
  ann: Reader
  /** The statuses of log-ins with wrong passwords from an address. */
  guess: (times: number, username?: string, address?: string) => Promise<number[]>
  from: (reader: Reader, address: string) => Promise<number>
}

async function guarded(t: Test, limits: Partial<AuthOptions> = {}): Promise<Guarded> {
  const auth = { hashKeys: false, scryptCost: 14, loginFailuresPerMinute: 6, registrationsPerHour: 3, ...limits }
  const store = new MemoryStore()
  const app = build(t, { store, auth })
  const ann = new Reader(app)
  await store.createUser({ username: 'ann', key: ann.key })
  const from = async (reader: Reader, remoteAddress: string) =>
    (await app.inject({ url: '/users/auth', headers: reader.headers, remoteAddress })).statusCode
  let password = 0
  const guess = (times: number, username = 'ann', address = '192.0.2.1') =>
    Promise.all(Array.from({ length: times }, () => from(new Reader(app, username, `${password++}`), address)))
  return { ann, guess, from }
}

t.test('who guesses a password is held up, all at once or one by one, and never told 401 for it', async (t) => {
  const { ann, guess, from } = await guarded(t)
  t.same(await guess(3), [401, 429, 429])
  t.same(await guess(1), [429])
  t.equal(await from(ann, '192.0.2.1'), 429, 'nor told when it was right')
  const reply = await ann.app.inject({ url: '/users/auth', headers: ann.headers, remoteAddress: '192.0.2.1' })
  t.match(reply.json(), { code: 429, message: 'Too many attempts. Try again later.' })
  const seconds = Number(reply.headers['retry-after'])
  t.ok(seconds >= 1 && seconds <= 60)
  t.equal(await from(ann, '192.0.2.2'), 200, 'other addresses are free')
})

t.test('an owner whose key was verified is never held up, nor are valid pushes counted', async (t) => {
  const { ann, guess, from } = await guarded(t)
  t.equal(await from(ann, '192.0.2.1'), 200)
  await guess(20)
  for (let push = 0; push < 20; push++) t.equal((await ann.update(position)).statusCode, 200)
  t.equal(await from(ann, '192.0.2.1'), 200)
})

t.test('a log-in that succeeds is not counted', async (t) => {
  const { ann, guess, from } = await guarded(t)
  for (let round = 0; round < 10; round++) {
    t.equal(await from(ann, '192.0.2.1'), 200)
    // Forgotten: it has to be verified again.
    await ann.app.inject({ method: 'PUT', url: '/users/password', headers: ann.headers, body: { password: ann.key } })
  }
  t.same(await guess(1, 'bob'), [401])
})

t.test('a log-in that could not be checked is not counted', async (t) => {
  const { guess } = await guarded(t, { loginFailuresPerMinute: 36 })
  const users = Array.from({ length: 36 }, (_, user) => `${user}`)
  const statuses = (await Promise.all(users.map((user) => guess(1, user)))).flat()
  t.same(statuses.filter((status) => status === 503).length, 2, 'the queue was full')
  t.same(statuses.filter((status) => status === 401).length, 34)
  t.same([await guess(1, 'x'), await guess(1, 'y'), await guess(1, 'z')], [[401], [401], [429]])
})

t.test('an address has so many failures, over all users; one user a part of them', async (t) => {
  const { guess } = await guarded(t)
  for (const username of ['a', 'b', 'c']) t.same(await guess(2, username), [401, 429])
  t.same(await guess(1, 'd'), [401], 'what was refused for one user does not count for the others')
  t.same(await guess(1, 'e'), [401])
  t.same(await guess(1, 'f'), [401])
  t.same(await guess(1, 'g'), [429])
  t.same(await guess(1, 'g', '192.0.2.9'), [401])
})

t.test('what was refused does not count, nor does a registration that the server could not make', async (t) => {
  const limits = new Limits({ loginFailuresPerMinute: 6, registrationsPerHour: 1 })
  const counted = await Promise.allSettled(
    Array.from({ length: 20 }, (_, user) => limits.countLogin('192.0.2.1', `${user}`)),
  )
  for (const each of counted) if (each.status === 'fulfilled') await each.value()
  await limits.countLogin('192.0.2.1', 'ann')

  class Full extends MemoryStore {
    full = true
    override async createUser(user: User): Promise<boolean> {
      if (this.full) throw Object.assign(new Error('full'), { code: 'ENOSPC', errno: -28 })
      return await super.createUser(user)
    }
  }
  const store = new Full()
  const auth = { hashKeys: false, scryptCost: 14, loginFailuresPerMinute: 0, registrationsPerHour: 1 }
  const reader = new Reader(build(t, { store, auth }))
  t.equal((await reader.register()).statusCode, 507)
  store.full = false
  t.equal((await reader.register()).statusCode, 201)
})

t.test('IPv6 counts by /64', async (t) => {
  const { guess } = await guarded(t)
  t.same(await guess(1, 'ann', '2001:db8::1'), [401])
  t.same(await guess(1, 'ann', '2001:db8::2'), [429])
  t.same(await guess(1, 'ann', '2001:db8:0:1::1'), [401])
})

t.test('an address registers so many, whatever came of it', async (t) => {
  const { ann } = await guarded(t)
  const register = async (username: string) => (await new Reader(ann.app, username).register()).statusCode
  t.same(
    [await register('ann'), await register('bob'), await register('cid'), await register('dan')],
    [402, 201, 201, 429],
  )
  t.equal((await new Reader(ann.app, 'bob').authorize()).statusCode, 200)
})

t.test('0 turns a limit off', async (t) => {
  const { ann, guess } = await guarded(t, { loginFailuresPerMinute: 0, registrationsPerHour: 0 })
  t.same(await guess(30), Array<number>(30).fill(401))
  for (let user = 0; user < 5; user++) t.equal((await new Reader(ann.app, `${user}`).register()).statusCode, 201)
})

t.test('behind a trusted proxy each reader is an address of its own', async (t) => {
  const { ann } = await guarded(t, { registrationsPerHour: 1 })
  const auth = { hashKeys: false, scryptCost: 14, loginFailuresPerMinute: 0, registrationsPerHour: 1 }
  const app = build(t, { auth, trustedProxies: ['10.0.0.0/8'] })
  const register = async (username: string, remoteAddress: string, forwarded: string) => {
    const body = { username, password: ann.key }
    const headers = { 'x-forwarded-for': forwarded }
    return (await app.inject({ method: 'POST', url: '/users/create', body, headers, remoteAddress })).statusCode
  }
  t.equal(await register('a', '10.0.0.1', '192.0.2.1'), 201)
  t.equal(await register('b', '10.0.0.1', '192.0.2.2'), 201)
  t.equal(await register('c', '10.0.0.1', '192.0.2.1'), 429)
  t.equal(await register('d', '11.0.0.1', '192.0.2.3'), 201)
  t.equal(await register('e', '11.0.0.1', '192.0.2.4'), 429, 'another one can say what it likes')
})

t.test('a proxy that is not trusted is named in the log, once', async (t) => {
  const lines: { msg: string }[] = []
  const write = (line: string) => lines.push(JSON.parse(line) as { msg: string })
  const app = build(t, { logger: pino({ level: 'warn' }, { write }), trustedProxies: ['10.0.0.0/8'] })
  const headers = { 'x-forwarded-for': '192.0.2.1' }
  for (const remoteAddress of ['10.0.0.1', '172.18.0.2', '172.18.0.3']) {
    await app.inject({ url: '/healthcheck', headers, remoteAddress })
  }
  t.match(lines, [{ msg: '172.18.0.2 sends X-Forwarded-For. If it is your proxy, set KSS_TRUSTED_PROXIES=172.18.0.2' }])
  t.equal(lines.length, 1)
})
