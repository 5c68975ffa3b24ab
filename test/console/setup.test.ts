import t, { type Test } from 'tap'
import { SetupCode } from '../../src/accounts/setup-code.ts'
import { Reader } from '../helper.ts'
import { usernamesOf } from '../store/by-name.ts'
import { openConsole, type TestConsole, type TestConsoleOptions } from './visitor.ts'

const auth = { hashKeys: true, scryptCost: 8, loginFailuresPerMinute: 12, registrationsPerHour: 0 }

/** A console whose start has printed a code. */
function start(t: Test, options: TestConsoleOptions = {}): TestConsole & { code: string } {
  const clock = { now: Date.UTC(2030, 0, 1) }
  const { code, setupCode } = SetupCode.create(() => clock.now)
  const { settings, ...rest } = options
  const console = openConsole(t, { ...rest, settings: { setupCode: () => setupCode, ...settings } })
  return { ...console, clock, code }
}

const ann = { account: 'existing', username: 'ann', password: 'secret' }
const bob = { account: 'new', username: 'bob', 'new-password': 'secret', 'new-password-again': 'secret' }

t.test('who has the code makes the own account that of the operator, and is signed in', async (t) => {
  const { app, store, visit, code } = start(t)
  await new Reader(app).register()
  const before = await store.getUser('ann')
  const visitor = visit()
  t.match(await visitor.get('/setup'), { statusCode: 200, body: /docker logs/ })
  t.match(await visitor.post('/setup', { ...ann, code }), {
    statusCode: 303,
    headers: { location: '/admin?done=setup' },
  })
  t.match(await store.getUser('ann'), { admin: true, account: before?.account })
  t.match((await visitor.get('/books')).body, 'href="/admin"')
  t.equal((await new Reader(app).authorize()).statusCode, 200, 'readers stay logged in')
})

t.test('a server without accounts asks for a new one alone, and tells what comes next', async (t) => {
  const { store, visit, code } = start(t)
  const visitor = visit()
  const { body } = await visitor.get('/setup')
  t.notMatch(body, 'reads here already')
  t.match(body, 'the same name and password go into your reader')
  await store.createUser({ username: 'eve', key: 'x' })
  t.match((await visitor.get('/setup')).body, 'reads here already')
  t.equal((await visitor.post('/setup', { ...bob, code })).statusCode, 303)
})

t.test('who has the code may make a new account, also while registration is closed', async (t) => {
  const { app, store, visit, code } = start(t, { disableRegistration: true })
  const visitor = visit()
  await visitor.get('/setup')
  const typed = ` ${code.toLowerCase().replaceAll('-', ' ')} `.replaceAll('0', 'o').replaceAll('1', 'l')
  t.equal((await visitor.post('/setup', { ...bob, username: ' bob ', code: typed })).statusCode, 303)
  t.match(await store.getUser('bob'), { admin: true })
  t.equal((await new Reader(app, 'bob').authorize()).statusCode, 200)
})

const mistakes: [string, Record<string, string>, RegExp][] = [
  ['a wrong password', { ...ann, password: 'wrong' }, /The name or the password is wrong/],
  ['an account that is not there', { ...ann, username: 'nobody' }, /The name or the password is wrong/],
  ['a name that is taken', { ...bob, username: 'ann' }, /This name is taken/],
  ['a name that no reader can send', { ...bob, username: 'a:b' }, /no colon/],
  ['no name', { ...bob, username: ' ' }, /1 to 255 characters/],
  ['two passwords', { ...bob, 'new-password-again': 'other' }, /not the same/],
  ['no password', { ...bob, 'new-password': '' }, /Type a password/],
  [
    'a password that is too long',
    { ...bob, 'new-password': 'x'.repeat(1025), 'new-password-again': 'x'.repeat(1025) },
    /1024/,
  ],
  ['nothing', {}, /The name or the password is wrong/],
]

for (const [what, typed, message] of mistakes) {
  t.test(`${what} makes no operator, and the code can be used again`, async (t) => {
    const { app, store, visit, code } = start(t)
    await new Reader(app).register()
    const visitor = visit()
    await visitor.get('/setup')
    t.match(await visitor.post('/setup', { ...typed, code }), { statusCode: 401, body: message })
    t.equal(await store.hasOperator(), false)
    t.equal((await visitor.post('/setup', { ...ann, code })).statusCode, 303)
  })
}

t.test('a wrong code makes no operator, and no account; tries are limited as log-ins are', async (t) => {
  const { store, visit, code } = start(t, { auth })
  const visitor = visit()
  await visitor.get('/setup')
  for (const wrong of ['', 'AAAA-AAAA-AAAA']) {
    t.match(await visitor.post('/setup', { ...bob, code: wrong }), { statusCode: 401, body: /not the code/ })
  }
  // One in five seconds is tried all the same.
  await visitor.post('/setup', { ...bob, code: 'x' })
  t.match(await visitor.post('/setup', { ...bob, code }), { statusCode: 429, body: /Too many attempts/ })
  t.same(await usernamesOf(store), [])
})

t.test('a code works once', async (t) => {
  const { app, store, visit, code } = start(t)
  for (const name of ['ann', 'bob']) await new Reader(app, name).register()
  const [one, other] = [visit(), visit()]
  await Promise.all([one, other].map((visitor) => visitor.get('/setup')))
  const replies = await Promise.all([
    one.post('/setup', { ...ann, code }),
    other.post('/setup', { ...ann, username: 'bob', code }),
  ])
  t.same(new Set(replies.map(({ statusCode }) => statusCode)), new Set([303, 403]))
  const flags = await Promise.all(['ann', 'bob'].map(async (name) => (await store.getUser(name))?.admin === true))
  t.same(flags.filter(Boolean), [true])
  t.match(await visit().get('/setup'), { statusCode: 403, body: /nothing to set up/ })
  const again = visit()
  await again.get('/')
  t.equal((await again.post('/setup', { ...ann, code })).statusCode, 403)
})

t.test('a code is void after half an hour', async (t) => {
  const { app, visit, code, clock, store } = start(t)
  await new Reader(app).register()
  const visitor = visit()
  await visitor.get('/setup')
  clock.now += 30 * 60_000
  t.equal((await visitor.post('/setup', { ...ann, code })).statusCode, 403)
  t.equal((await visitor.get('/setup')).statusCode, 403)
  t.equal(await store.hasOperator(), false)
})

t.test('a code is void when there is an operator, or none was printed', async (t) => {
  const { store, visit } = start(t)
  await store.createUser({ username: 'root', key: 'x' })
  await store.setAdmin((await store.getUser('root'))!.account, true)
  t.equal((await visit().get('/setup')).statusCode, 403)
  const { visit: elsewhere } = openConsole(t)
  t.match(await elsewhere().get('/setup'), { statusCode: 403, body: /kss user admin NAME/ })
  const late = openConsole(t, { settings: { setupCode: () => undefined } })
  t.equal((await late.visit().get('/setup')).statusCode, 403)
})

t.test('a disk that cannot store the operator leaves the code as it is', async (t) => {
  const { app, visit, code, store } = start(t)
  await new Reader(app).register()
  const set = store.setAdmin.bind(store)
  store.setAdmin = async () => {
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 })
  }
  const visitor = visit()
  await visitor.get('/setup')
  t.equal((await visitor.post('/setup', { ...ann, code })).statusCode, 507)
  store.setAdmin = set
  t.equal((await visitor.post('/setup', { ...ann, code })).statusCode, 303)
})

t.test('who signs up first is no operator', async (t) => {
  const { store, visit } = start(t)
  const visitor = visit()
  await visitor.get('/sign-up')
  t.equal((await visitor.post('/sign-up', bob)).statusCode, 303)
  t.equal((await store.getUser('bob'))?.admin, undefined)
})

t.test('a session ends when its account becomes an operator’s, and when it is none any more', async (t) => {
  const { store, reader } = start(t)
  const visitor = await reader()
  const { account } = (await store.getUser('ann'))!
  await store.setAdmin(account, true)
  t.equal(await visitor.isIn(), false)
  await visitor.signIn('ann')
  t.match(visitor.page, 'href="/admin"')
  await store.setAdmin(account, false)
  t.equal(await visitor.isIn(), false)
})

t.test('forms that say nothing make no operator', async (t) => {
  const { store, visit, code } = start(t)
  const visitor = visit()
  await visitor.get('/setup')
  t.match(await visitor.post('/setup'), { statusCode: 401, body: /not the code/ })
  t.match(await visitor.post('/setup', { account: 'new', code }), { statusCode: 401, body: /Type a password/ })
  const { username: _none, ...rest } = bob
  t.match(await visitor.post('/setup', { ...rest, code }), { statusCode: 401, body: /1 to 255 characters/ })
  t.equal(await store.hasOperator(), false)
})
