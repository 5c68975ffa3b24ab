import t from 'tap'
import { keyOfPassword } from '../../src/kosync/credentials.ts'
import { Reader } from '../helper.ts'
import { adminByName } from '../store/by-name.ts'
import { escaped } from './library.ts'
import { openConsole } from './visitor.ts'

const limits = { hashKeys: true, scryptCost: 8, loginFailuresPerMinute: 6, registrationsPerHour: 0 }

t.test('a reader signs in with the password of the reader, sees the books, and signs out', async (t) => {
  const { app, visit } = openConsole(t)
  await new Reader(app, 'ann', 'pässwörd').register()
  const ann = visit()
  t.match(await ann.get('/'), { statusCode: 200, body: /Sign in/ })
  t.match(await ann.post('/sign-in', { username: ' ann ', password: 'pässwörd' }), {
    statusCode: 303,
    headers: { location: '/books' },
  })
  t.match(await ann.get('/books'), { statusCode: 200, body: /No books yet/ })
  t.match(await ann.get('/'), { statusCode: 303, headers: { location: '/books' } })
  await ann.get('/books')
  t.match(await ann.post('/sign-out'), { statusCode: 303, headers: { location: '/' } })
  t.equal(ann.cookies.has('kss_session'), false)
  t.match(await ann.get('/books'), { statusCode: 303, headers: { location: '/?next=%2Fbooks' } })
})

t.test('a cookie of a session that was signed out is worth nothing', async (t) => {
  const { visit, reader } = openConsole(t)
  const ann = await reader()
  const thief = visit()
  for (const [name, value] of ann.cookies) thief.cookies.set(name, value)
  t.equal(await thief.isIn(), true)
  await ann.post('/sign-out')
  t.equal(await thief.isIn(), false)
})

t.test('a wrong password, an unknown name and a name that nobody can have get the same page', async (t) => {
  const { app, visit } = openConsole(t)
  await new Reader(app).register()
  const visitor = visit()
  await visitor.get('/')
  for (const [username, password] of [
    ['ann', 'wrong'],
    ['nobody', 'secret'],
    ['x'.repeat(300), 'secret'],
    ['', ''],
  ] as const) {
    const reply = await visitor.post('/sign-in', { username, password })
    t.match(reply, { statusCode: 401, body: /role="alert">The name or the password is wrong\./ }, username)
    t.equal(visitor.cookies.has('kss_session'), false)
  }
})

t.test('the key, which others may have heard, is no password', async (t) => {
  const { app, visit } = openConsole(t)
  await new Reader(app).register()
  const visitor = visit()
  await visitor.get('/')
  const reply = await visitor.post('/sign-in', { username: 'ann', password: keyOfPassword('secret') })
  t.equal(reply.statusCode, 401)
})

t.test('failed log-ins in the console and on the wire share their limits', async (t) => {
  const { app, visit } = openConsole(t, { auth: { ...limits, loginFailuresPerMinute: 12 } })
  await new Reader(app).register()
  const visitor = visit()
  await visitor.get('/')
  for (const password of ['1', '2']) await visitor.post('/sign-in', { username: 'ann', password })
  // One in five seconds is checked all the same.
  t.equal((await new Reader(app, 'ann', '3').authorize()).statusCode, 401)
  t.equal((await new Reader(app, 'ann', '4').authorize()).statusCode, 429)
  const reply = await visitor.post('/sign-in', { username: 'ann', password: '5' })
  t.match(reply, { statusCode: 429, headers: { 'retry-after': /^\d+$/ }, body: /Too many attempts/ })
})

t.test('after the log-in the page comes that was asked for, if it is one of the console', async (t) => {
  const { app, visit } = openConsole(t)
  await new Reader(app).register()
  for (const [next, location] of [
    ['/books/abc%2Fd', '/books/abc%2Fd'],
    ['//evil.example', '/books'],
    ['https://evil.example/', '/books'],
    ['/\\evil.example', '/books'],
    ['/books?q=a+b%26c&page=2', '/books?q=a+b%26c&page=2'],
    ['/books?x=/', '/books'],
    ['/books?x\r\ny', '/books'],
    ['/?next=%2F%2Fevil.example', '/books'],
    ['//evil.example?x', '/books'],
  ] as const) {
    const visitor = visit()
    await visitor.get(`/?next=${encodeURIComponent(next)}`)
    const [, shown] = /name="next" value="([^"]*)"/.exec(visitor.page) ?? []
    t.equal(shown, escaped(location))
    const typed = { username: 'ann', password: 'secret', next }
    t.equal((await visitor.post('/sign-in', typed)).headers.location, location)
  }
})

t.test('who is signed out comes back to the page with its query', async (t) => {
  const { visit } = openConsole(t, { basePath: '/kosync' })
  for (const [path, next] of [
    ['/admin/user?name=zo%C3%AB+%26', '/admin/user?name=zo%C3%AB+%26'],
    ['/books?', '/books'],
    ['/books', '/books'],
  ] as const) {
    const { headers } = await visit().get(path)
    t.equal(headers.location, `/kosync/?next=${encodeURIComponent(next)}`)
    const visitor = visit()
    await visitor.get(`/?next=${encodeURIComponent(next)}`)
    t.match(visitor.page, `name="next" value="${escaped(next)}"`)
  }
})

t.test('the page after a wrong password keeps the name, as text, and where to go', async (t) => {
  const { visit } = openConsole(t)
  const visitor = visit()
  await visitor.get('/')
  await visitor.post('/sign-in', { username: '"><script>', password: 'x', next: '/help' })
  t.match(visitor.page, 'value="&quot;&gt;&lt;script&gt;"')
  t.match(visitor.page, 'name="next" value="/help"')
})

t.test('the first page says what to type on the reader, and who can sign up', async (t) => {
  const { store, visit } = openConsole(t, { basePath: '/kosync' })
  t.match((await visit().get('/')).body, '<code>http://kss.local:8080/kosync</code>')
  t.match((await visit().get('/')).body, '<a href="/kosync/sign-up">Sign up</a>, here or on the reader')
  await store.setRegistration({ open: false })
  t.match((await visit().get('/')).body, 'Nobody can sign up now')
  await store.setInvited('bob', true)
  t.match((await visit().get('/')).body, 'Were you invited?')
})

t.test('on the machine itself the first page tells the addresses in the network', async (t) => {
  const { visit } = openConsole(t, { settings: { addresses: () => ['http://192.168.1.5:8080'] } })
  t.match((await visit({ host: 'localhost:8080' }).get('/')).body, '<code>http://192.168.1.5:8080</code>')
})

t.test('over plain http from another machine the first page warns of others in the network', async (t) => {
  const { app, visit } = openConsole(t, { trustedProxies: ['127.0.0.1'] })
  const other = { 'x-forwarded-for': '192.168.1.9' }
  t.match((await visit(other).get('/')).body, 'This connection is not encrypted')
  t.notMatch((await visit({ ...other, 'x-forwarded-proto': 'https' }).get('/')).body, 'not encrypted')
  t.match(
    (await visit({ ...other, 'x-forwarded-proto': 'https' }).get('/')).body,
    '<code>https://kss.local:8080</code>',
  )
  t.notMatch((await visit().get('/')).body, 'not encrypted')
  t.ok(app)
})

t.test('a form without a name and a password signs nobody in', async (t) => {
  const { visit } = openConsole(t)
  const visitor = visit()
  await visitor.get('/')
  t.equal((await visitor.post('/sign-in')).statusCode, 401)
})

t.test('who signs in while the password changes is not signed in', async (t) => {
  const { app, store, visit } = openConsole(t)
  const reader = new Reader(app)
  await reader.register()
  // Its key is verified already: then the account is looked up once for that, and once for the session.
  await reader.authorize()
  const visitor = visit()
  await visitor.get('/')
  const get = store.getUser.bind(store)
  let lookUps = 0
  store.getUser = (username) => {
    const user = get(username)
    lookUps += 1
    if (lookUps === 1 || !user || user instanceof Promise) return user
    return { ...user, account: { ...user.account, generation: user.account.generation + 1 } }
  }
  const reply = await visitor.post('/sign-in', { username: 'ann', password: 'secret' })
  t.match(reply, { statusCode: 401, body: /The account was changed meanwhile/ })
  t.equal(visitor.cookies.has('kss_session'), false)
})

t.test('who is disabled does not sign in, and does not learn why', async (t) => {
  const { app, store, visit } = openConsole(t)
  await new Reader(app).register()
  await adminByName(store).setDisabled('ann', true)
  const visitor = visit()
  await visitor.get('/')
  const reply = await visitor.post('/sign-in', { username: 'ann', password: 'secret' })
  t.match(reply, { statusCode: 401, body: /The name or the password is wrong/ })
})
