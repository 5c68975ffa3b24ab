import { createHash } from 'node:crypto'
import t from 'tap'
import { keyOfPassword } from '../../src/kosync/credentials.ts'
import { MemorySessions } from '../../src/store/memory-sessions.ts'
import { adminByName, byName } from '../store/by-name.ts'
import { openConsole, type TestConsole, type Visitor } from './visitor.ts'

const day = 86_400_000

const cookieOf = (reply: { cookies: unknown[] }, name: string): unknown =>
  (reply.cookies as { name: string }[]).find((cookie) => cookie.name === name)

t.test('cookies are for this server alone, and no script reads them', async (t) => {
  const { visit, reader } = openConsole(t)
  const flags = { path: '/', httpOnly: true, sameSite: 'Strict', secure: undefined }
  const first = cookieOf(await visit().get('/'), 'kss_form') as { value: string }
  t.match(first, { ...flags, value: /^[\w-]{43}$/, maxAge: undefined })
  await reader()
  const ann = visit()
  const reply = await ann.signIn('ann')
  t.match(cookieOf(reply, 'kss_session'), { ...flags, value: /^[\w-]{43}$/, maxAge: 30 * 86_400 })
})

t.test('behind https cookies go over https alone, and below a base path only there', async (t) => {
  const { visit, reader } = openConsole(t, { basePath: '/kosync', trustedProxies: ['127.0.0.1'] })
  await reader()
  const ann = visit({ 'x-forwarded-proto': 'https', 'sec-fetch-site': 'same-origin' })
  const reply = await ann.signIn('ann')
  t.match(reply, { statusCode: 303, headers: { location: '/kosync/books' } })
  t.same([...ann.cookies.keys()].toSorted(), ['__Secure-kss_form', '__Secure-kss_session'])
  t.match(cookieOf(reply, '__Secure-kss_session'), {
    path: '/kosync',
    secure: true,
    sameSite: 'Strict',
    httpOnly: true,
  })
})

t.test('a browser that was there over https signs in over http too, and out of each alone', async (t) => {
  const { visit, reader } = openConsole(t, { trustedProxies: ['127.0.0.1'] })
  await reader()
  const secure = visit({ 'x-forwarded-proto': 'https', origin: 'https://kss.local:8080' })
  await secure.signIn('ann')
  const plain = visit()
  t.equal((await plain.signIn('ann')).statusCode, 303)
  // Browsers take no cookie over http under the name of one of https.
  t.same(
    [...plain.cookies.keys()].filter((name) => secure.cookies.has(name)),
    [],
  )
  // The other way round they send them.
  for (const [name, value] of plain.cookies) secure.cookies.set(name, value)
  t.equal(await secure.isIn(), true)
  await secure.post('/sign-out')
  t.equal(await secure.isIn(), false)
  t.equal(await plain.isIn(), true)
})

t.test('a cookie that came over http signs nobody in over https', async (t) => {
  const { visit, reader } = openConsole(t, { trustedProxies: ['127.0.0.1'] })
  const ann = await reader()
  const secure = visit({ 'x-forwarded-proto': 'https' })
  for (const [name, value] of ann.cookies) secure.cookies.set(name, value)
  t.equal(await secure.isIn(), false)
})

t.test('who is no proxy cannot say that there is https', async (t) => {
  const { visit } = openConsole(t)
  const reply = await visit({ 'x-forwarded-proto': 'https' }).get('/')
  t.match(cookieOf(reply, 'kss_form'), { secure: undefined })
})

t.test('only the hash of a session is stored', async (t) => {
  const { reader, sessions } = openConsole(t)
  const ann = await reader()
  const id = ann.cookies.get('kss_session') ?? ''
  t.equal(sessions.getSession(id), undefined)
  const hash = createHash('sha256').update(id).digest('hex')
  t.match(sessions.getSession(hash), { username: 'ann', accountId: '1', generation: 1, isOperator: false })
})

t.test('a session lives on in a server that starts anew', async (t) => {
  const { reader, store, sessions } = openConsole(t)
  const ann = await reader()
  const again = openConsole(t, { store, settings: { sessions } }).visit()
  for (const [name, value] of ann.cookies) again.cookies.set(name, value)
  t.equal(await again.isIn(), true)
})

t.test('a session ends after 30 days without a visit, and is seen once a day', async (t) => {
  const { reader, clock, sessions } = openConsole(t)
  let puts = 0
  const put = sessions.putSession.bind(sessions)
  sessions.putSession = (session) => {
    puts += 1
    return put(session)
  }
  const ann = await reader()
  t.equal(puts, 1)
  clock.now += day - 1000
  t.equal(cookieOf(await ann.get('/books'), 'kss_session'), undefined)
  t.equal(puts, 1)
  clock.now += 1000
  t.match(cookieOf(await ann.get('/books'), 'kss_session'), { maxAge: 30 * 86_400 })
  t.equal(puts, 2)
  clock.now += 30 * day - 1000
  t.equal(await ann.isIn(), true)
  clock.now += 30 * day
  t.equal(await ann.isIn(), false)
  clock.now -= 30 * day
  t.equal(await ann.isIn(), false, 'for good')
})

type Change = (console: TestConsole) => Promise<unknown>
const changes: [string, Change, Change?][] = [
  ['the password changes', ({ store }) => byName(store).setKey('ann', 'another')],
  [
    'the account is disabled',
    ({ store }) => adminByName(store).setDisabled('ann', true),
    ({ store }) => adminByName(store).setDisabled('ann', false),
  ],
  [
    'the account is renamed',
    ({ store }) => adminByName(store).renameUser('ann', 'amy'),
    ({ store }) => adminByName(store).renameUser('amy', 'ann'),
  ],
  ['the account is removed', ({ store }) => byName(store).deleteUser('ann')],
  [
    'another account gets the name',
    async ({ store }) => {
      await byName(store).deleteUser('ann')
      await store.createUser({ username: 'ann', key: 'x' })
    },
  ],
]

for (const [what, change, back] of changes) {
  t.test(`a session is dead at once when ${what}`, async (t) => {
    const console = openConsole(t)
    const [ann, bob] = [await console.reader('ann'), await console.reader('bob')]
    await change(console)
    t.equal(await ann.isIn(), false)
    await back?.(console)
    t.equal(await ann.isIn(), false, 'for good')
    t.equal(await bob.isIn(), true)
  })
}

t.test('two tabs of a browser share a session, and the forms of both are taken', async (t) => {
  const { visit, reader } = openConsole(t)
  await reader()
  const one = visit()
  await one.get('/')
  const typed = { username: 'ann', password: 'secret' }
  t.equal((await one.post('/sign-in', typed)).statusCode, 303)
  const session = one.cookies.get('kss_session')
  // The other tab still shows the form.
  await one.get('/sign-up')
  t.equal((await one.post('/sign-in', typed)).statusCode, 303)
  t.not(one.cookies.get('kss_session'), session, 'each log-in has an id of its own')
  await one.get('/books')
  t.equal((await one.post('/sign-out')).statusCode, 303)
})

t.test('a log-in ends the session that the browser had', async (t) => {
  const { visit, reader } = openConsole(t)
  const ann = await reader()
  const before = new Map(ann.cookies)
  await ann.get('/sign-up')
  await ann.post('/sign-in', { username: 'ann', password: 'secret' })
  const thief = visit()
  for (const [name, value] of before) thief.cookies.set(name, value)
  t.equal(await thief.isIn(), false)
  t.equal(await ann.isIn(), true)
})

t.test('an account has 20 sessions, the oldest one goes', async (t) => {
  const { reader, visit, clock } = openConsole(t)
  const first = await reader()
  const bob = await reader('bob')
  const others: Visitor[] = []
  for (let at = 0; at < 20; at += 1) {
    clock.now += 1000
    const visitor = visit()
    await visitor.signIn('ann')
    others.push(visitor)
  }
  t.equal(await first.isIn(), false)
  for (const visitor of [...others, bob]) t.equal(await visitor.isIn(), true)
})

t.test('cookies that are none of ours are not looked up', async (t) => {
  const { visit } = openConsole(t)
  for (const value of ['', 'x', '../../etc', 'x'.repeat(44), '%00']) {
    t.equal((await visit({ cookie: `kss_session=${value}` }).get('/books')).statusCode, 303)
  }
})

t.test('a form of somebody who is signed out meanwhile says so, and does nothing', async (t) => {
  const { reader, store } = openConsole(t)
  const ann = await reader()
  await byName(store).setKey('ann', 'another')
  t.match(await ann.post('/sign-out'), { statusCode: 401, body: /You are signed out/ })
})

t.test('a disk that cannot store a session is an error that says so, and nobody is signed in', async (t) => {
  class Full extends MemorySessions {
    override async putSession(): Promise<void> {
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 })
    }
  }
  const { visit, store } = openConsole(t, { settings: { sessions: new Full() } })
  await store.createUser({ username: 'ann', key: keyOfPassword('secret') })
  const ann = visit()
  t.match(await ann.signIn('ann'), { statusCode: 507, body: /The disk of the server is full/ })
  t.equal(ann.cookies.has('kss_session'), false)
})
