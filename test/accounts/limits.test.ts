import { pino } from 'pino'
import t, { type Test } from 'tap'
import type { AuthOptions } from '../../src/accounts/accounts.ts'
import { ProtocolError } from '../../src/kosync/protocol-error.ts'
import { Limits } from '../../src/accounts/limits.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import type { NewUser, Now, User } from '../../src/store/store.ts'
import { build, position, Reader } from '../helper.ts'
import { adminByName, byName } from '../store/by-name.ts'

interface Guarded {
  ann: Reader
  /** The statuses of log-ins with wrong passwords from an address. */
  guess: (times: number, username?: string, address?: string) => Promise<number[]>
  from: (reader: Reader, address: string) => Promise<number>
}

async function guarded(t: Test, limits: Partial<AuthOptions> = {}): Promise<Guarded> {
  const auth = { hashKeys: false, scryptCost: 8, loginFailuresPerMinute: 6, registrationsPerHour: 3, ...limits }
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

/** Lets everything see the clock so many seconds later. */
function later(t: Test, seconds: number): void {
  const now = Date.now()
  t.intercept(Date, 'now', { value: () => now + seconds * 1000 })
}

t.test('who guesses a password is held up, all at once or one by one', async (t) => {
  const { ann, guess, from } = await guarded(t)
  t.same(await guess(3), [401, 503, 503], 'one at a time, as that one could be the last')
  t.same(await guess(1), [401], 'now and then one is checked')
  t.same(await guess(1), [429])
  t.equal(await from(ann, '192.0.2.1'), 429, 'the right one is not told from a wrong one')
  const reply = await ann.app.inject({ url: '/users/auth', headers: ann.headers, remoteAddress: '192.0.2.1' })
  const seconds = Number(reply.headers['retry-after'])
  t.ok(seconds > 1 && seconds <= 60)
  t.same(reply.json(), {
    code: 2007,
    message: `Too many attempts. Try again in ${seconds === 60 ? '1 minute' : `${seconds} seconds`}.`,
  })
  t.equal(await from(ann, '192.0.2.2'), 200, 'other addresses are free')
})

t.test('an owner whose address others use up gets in within seconds, and stays in', async (t) => {
  const { ann, guess, from } = await guarded(t)
  await guess(1)
  await guess(1)
  t.equal(await from(ann, '192.0.2.1'), 429)
  later(t, 6)
  t.equal(await from(ann, '192.0.2.1'), 200)
  t.same(await guess(1), [429])
  t.equal(await from(ann, '192.0.2.1'), 200)
})

t.test('of all users an address that is over its limit has one checked in a second', async (t) => {
  const { guess } = await guarded(t)
  for (const user of ['a', 'b', 'c', 'd', 'e', 'f']) await guess(1, user)
  t.same([await guess(1, 'g'), await guess(1, 'h'), await guess(1, 'g')], [[401], [429], [429]])
})

t.test('an owner is not held up for 30 days after a use of the key', async (t) => {
  const { ann, guess, from } = await guarded(t)
  t.equal(await from(ann, '192.0.2.1'), 200)
  await guess(1)
  await guess(1)
  const start = performance.now()
  let days = 0
  t.intercept(performance, 'now', { value: () => start + days * 86_400_000 })
  for (days = 29; days < 100; days += 29) t.equal(await from(ann, '192.0.2.1'), 200, `day ${days}`)
  days += 31
  t.equal(await from(ann, '192.0.2.1'), 429)
})

t.test('a wrong key that is repeated counts once', async (t) => {
  const { ann, guess, from } = await guarded(t, { loginFailuresPerMinute: 12 })
  const old = new Reader(ann.app, 'ann', 'old')
  for (let push = 0; push < 20; push++) t.equal(await from(old, '192.0.2.1'), 401)
  t.same(await guess(1), [401])
  t.equal(await from(old, '192.0.2.1'), 401)
  t.same([await guess(1), await guess(1)], [[401], [429]])
  t.equal(await from(old, '192.0.2.1'), 401)
})

t.test(
  'a key that was wrong is checked again when it is another one that is stored, or the account is enabled',
  async (t) => {
    const store = new MemoryStore()
    const auth = { hashKeys: false, scryptCost: 8, loginFailuresPerMinute: 0, registrationsPerHour: 0 }
    const ann = new Reader(build(t, { store, auth }))
    await store.createUser({ username: 'ann', key: 'another' })
    t.equal((await ann.authorize()).statusCode, 401)
    await byName(store).setKey('ann', ann.key)
    t.equal((await ann.authorize()).statusCode, 200)
    await adminByName(store).setDisabled('ann', true)
    t.equal((await ann.authorize()).statusCode, 401)
    await adminByName(store).setDisabled('ann', false)
    t.equal((await ann.authorize()).statusCode, 200)
  },
)

t.test('a name that can be nobody’s is looked up nowhere', async (t) => {
  class Watched extends MemoryStore {
    readonly asked: string[] = []
    override getUser(username: string): Now<User | undefined> {
      this.asked.push(username)
      return super.getUser(username)
    }
  }
  const store = new Watched()
  const app = build(t, { store })
  for (const [username, key] of [
    ['x'.repeat(256), 'K'],
    ['x', 'k'.repeat(1025)],
  ] as const) {
    const headers = { 'x-auth-user': username, 'x-auth-key': key }
    t.equal((await app.inject({ url: '/users/auth', headers })).statusCode, 401)
  }
  const basic = { authorization: `Basic ${Buffer.from(`${'x'.repeat(256)}:secret`).toString('base64')}` }
  t.equal((await app.inject({ url: '/users/auth', headers: basic })).statusCode, 401)
  t.same(store.asked, [])
})

t.test('an owner whose key was verified is never held up, nor are valid pushes counted', async (t) => {
  const { ann, guess, from } = await guarded(t)
  t.equal(await from(ann, '192.0.2.1'), 200)
  await guess(20)
  for (let push = 0; push < 20; push++) t.equal((await ann.update(position)).statusCode, 200)
  t.equal(await from(ann, '192.0.2.1'), 200)
})

t.test('a log-in that succeeds is not counted', async (t) => {
  const { ann, guess } = await guarded(t)
  const store = new MemoryStore()
  const auth = { hashKeys: false, scryptCost: 8, loginFailuresPerMinute: 6, registrationsPerHour: 0 }
  const app = build(t, { store, auth })
  for (let user = 0; user < 10; user++) {
    const reader = new Reader(app, `${user}`)
    await store.createUser({ username: reader.username, key: reader.key })
    t.equal((await reader.authorize()).statusCode, 200)
  }
  t.equal((await ann.authorize()).statusCode, 200)
  t.same(await guess(1, 'bob'), [401])
})

t.test('an address has so many failures, over all users; one user a part of them', async (t) => {
  const { guess } = await guarded(t)
  for (const username of ['a', 'b', 'c']) t.same(await guess(2, username), [401, 503])
  t.same(await guess(1, 'd'), [401], 'what was refused for one user does not count for the others')
  t.same(await guess(1, 'e'), [401])
  t.same(await guess(1, 'f'), [401])
  t.same([await guess(1, 'g'), await guess(1, 'h')], [[401], [429]])
  t.same(await guess(1, 'h', '192.0.2.9'), [401])
})

t.test('those who are refused as others are still being checked do not all come back at once', async (t) => {
  const limits = new Limits({ loginFailuresPerMinute: 6, registrationsPerHour: 0 })
  const waits: unknown[] = []
  for (const random of [0, 0.999]) {
    t.intercept(Math, 'random', { value: () => random })
    const counted = Array.from({ length: 7 }, (_, user) => limits.countLogin('192.0.2.1', `${user}`))
    for (const each of await Promise.allSettled(counted)) {
      if (each.status === 'fulfilled') each.value.end(false)
      else waits.push((each.reason as ProtocolError).retryAfter)
    }
  }
  t.same(waits, [1, 5])
})

t.test('what was refused does not count, nor does a registration that the server could not make', async (t) => {
  const limits = new Limits({ loginFailuresPerMinute: 6, registrationsPerHour: 1 })
  const counted = await Promise.allSettled(
    Array.from({ length: 20 }, (_, user) => limits.countLogin('192.0.2.1', `${user}`)),
  )
  t.equal(counted.filter(({ status }) => status === 'fulfilled').length, 6)
  for (const each of counted) if (each.status === 'fulfilled') each.value.end(false)
  t.notOk((await limits.countLogin('192.0.2.1', 'ann')).isSuspect)

  class Full extends MemoryStore {
    full = true
    override async createUser(user: NewUser): Promise<boolean> {
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
  t.same([await guess(1, 'ann', '2001:db8::2'), await guess(1, 'ann', '2001:db8::3')], [[401], [429]])
  t.same(await guess(1, 'ann', '2001:db8:0:1::1'), [401])
})

t.test('an address registers so many; a name that is taken does not count', async (t) => {
  const { ann } = await guarded(t, { registrationsPerHour: 2 })
  const register = async (username: string, headers = {}) => {
    const body = { username, password: ann.key }
    return await ann.app.inject({ method: 'POST', url: '/users/create', body, headers })
  }
  for (const [username, status] of [
    ['ann', 402],
    ['ann', 402],
    ['bob', 201],
    ['bob', 402],
    ['cid', 201],
  ] as const) {
    t.equal((await register(username)).statusCode, status)
  }
  t.equal((await register('ann')).statusCode, 402, 'who has an account is told so')
  const refused = await register('dan')
  t.equal(refused.statusCode, 429)
  t.equal(refused.headers['retry-after'], '3600')
  t.same(refused.json(), { code: 2007, message: 'Too many attempts. Try again in 60 minutes.' })
  const shown = await register('dan', { accept: 'application/vnd.koreader.v1+json' })
  t.equal(shown.statusCode, 402, 'the only status whose message a reader shows')
  t.same(shown.json(), { code: 2007, message: 'Too many attempts. Try again in 60 minutes.' })
  t.equal((await new Reader(ann.app, 'bob').authorize()).statusCode, 200)
})

t.test('who is invited can not be found out by trying', async (t) => {
  const store = new MemoryStore()
  await store.setRegistration({ open: false, invited: ['dora'] })
  const auth = { hashKeys: false, scryptCost: 8, loginFailuresPerMinute: 0, registrationsPerHour: 3 }
  const app = build(t, { store, auth })
  const statuses = []
  for (const username of ['a', 'b', 'c', 'd', 'dora'])
    statuses.push((await new Reader(app, username).register()).json())
  t.match(statuses, [{ code: 2005 }, { code: 2005 }, { code: 2005 }, { code: 2007 }, { code: 2007 }])
})

t.test('two people at once get one name, and the other one is not counted', async (t) => {
  const auth = { hashKeys: true, scryptCost: 8, loginFailuresPerMinute: 0, registrationsPerHour: 2 }
  const app = build(t, { auth })
  const both = await Promise.all([new Reader(app).register(), new Reader(app).register()])
  t.same(
    both.map(({ statusCode }) => statusCode).toSorted((one, other) => one - other),
    [201, 402],
  )
  t.equal((await new Reader(app, 'bob').register()).statusCode, 201)
})

t.test('an account changes its password five times in a minute', async (t) => {
  const { ann } = await guarded(t)
  const changeKey = async () => {
    const request = {
      method: 'PUT',
      url: '/users/password',
      headers: ann.headers,
      body: { password: ann.key },
    } as const
    return (await ann.app.inject(request)).statusCode
  }
  const statuses = []
  for (let change = 0; change < 6; change++) statuses.push(await changeKey())
  t.same(statuses, [200, 200, 200, 200, 200, 429])
  later(t, 61)
  t.equal(await changeKey(), 200)
})

t.test('0 turns a limit off', async (t) => {
  const { ann, guess } = await guarded(t, { loginFailuresPerMinute: 0, registrationsPerHour: 0 })
  t.same(await guess(30), Array<number>(30).fill(401))
  for (let user = 0; user < 5; user++) t.equal((await new Reader(ann.app, `${user}`).register()).statusCode, 201)
})

for (const [says, knows, status] of [
  ['says nothing', () => Promise.reject(new ProtocolError('unavailable')), 503],
  ['knows nobody', () => Promise.resolve(false), 401],
] as const) {
  t.test(`strangers are held up, and no key is hashed for them, when the upstream ${says}`, async (t) => {
    const upstream = { knows, fetchProgress: async () => undefined }
    // A cost that scrypt refuses: each hash would be an error of the server.
    const auth = { hashKeys: true, scryptCost: 60, loginFailuresPerMinute: 6, registrationsPerHour: 0 }
    const app = build(t, { auth, upstream })
    const statuses = []
    for (let user = 0; user < 9; user++)
      statuses.push((await new Reader(app, `stranger ${user}`).authorize()).statusCode)
    t.same(
      statuses,
      [...Array<number>(7).fill(status), 429, 429],
      'six of them, and one that a limited address may try',
    )
  })
}

t.test('a key that the upstream accepts is not counted, though the account cannot be made', async (t) => {
  const store = new MemoryStore()
  const makeAccount = store.createUser.bind(store)
  store.createUser = async () => {
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC', errno: -28 })
  }
  const upstream = { knows: async () => true, fetchProgress: async () => undefined }
  const auth = { hashKeys: false, scryptCost: 8, loginFailuresPerMinute: 6, registrationsPerHour: 0 }
  const reader = new Reader(build(t, { store, auth, upstream }))
  for (let at = 0; at < 9; at++) t.equal((await reader.authorize()).statusCode, 507)
  store.createUser = makeAccount
  t.equal((await reader.authorize()).statusCode, 200)
})

t.test('a key that the store replaces later is known all the same', async (t) => {
  const store = new MemoryStore()
  store.upgradeKey = async () => undefined
  const reader = new Reader(build(t, { store }))
  await store.createUser({ username: reader.username, key: reader.key })
  t.equal((await reader.authorize()).statusCode, 200)
  const getUser = store.getUser.bind(store)
  let lookedUp = 0
  store.getUser = (username) => {
    lookedUp += 1
    return getUser(username)
  }
  t.equal((await reader.authorize()).statusCode, 200)
  t.equal(lookedUp, 1, 'a check would look it up again')
})

t.test('what the upstream did not know a minute ago it may know now', async (t) => {
  let isKnown = false
  const upstream = { knows: async () => isKnown, fetchProgress: async () => undefined }
  const reader = new Reader(build(t, { upstream }))
  t.equal((await reader.authorize()).statusCode, 401)
  isKnown = true
  t.equal((await reader.authorize()).statusCode, 200)
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

t.test('an upstream brings back neither who was removed here nor who is invited', async (t) => {
  const upstream = { knows: async () => true, fetchProgress: async () => undefined }
  const store = new MemoryStore()
  const auth = { hashKeys: true, scryptCost: 8, loginFailuresPerMinute: 0, registrationsPerHour: 0 }
  const app = build(t, { store, upstream, auth })
  await store.setRegistration({ invited: ['bob'] })
  const [ann, bob] = [new Reader(app, 'ann'), new Reader(app, 'bob')]
  t.equal((await ann.authorize()).statusCode, 200)
  t.equal((await app.inject({ method: 'DELETE', url: '/users/me', headers: ann.headers })).statusCode, 200)
  t.equal((await ann.authorize()).statusCode, 401)
  t.equal((await bob.authorize()).statusCode, 401)
  for (const reader of [ann, bob]) {
    t.equal((await reader.register()).statusCode, 201, 'but they may register')
    t.equal((await reader.authorize()).statusCode, 200)
  }
})
