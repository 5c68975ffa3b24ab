import t from 'tap'
import { Reader } from '../helper.ts'
import { openConsole } from './visitor.ts'

const proxy = { trustedProxies: ['127.0.0.1'] }

for (const [host, isKnown] of [
  ['127.0.0.1', true],
  ['192.168.1.5:8080', true],
  ['[::1]:8080', true],
  ['[fe80::1]', true],
  ['localhost:8080', true],
  ['KSS', true],
  ['nas_1:80', true],
  ['kss.local', true],
  ['Sync.Example.org:8080', true],
  ['evil.example', false],
  ['other.example.org', false],
  ['sync.example.org.evil.example', false],
  ['local', true],
  ['evil.example:80:80', false],
  ['user@localhost', false],
  ['local host', false],
] as const) {
  t.test(`a browser that asks for "${host}" ${isKnown ? 'gets' : 'does not get'} the pages`, async (t) => {
    const { visit } = openConsole(t, { settings: { hosts: ['sync.example.org'] } })
    for (const path of ['/', '/sign-up', '/nope', '/assets/nope']) {
      const reply = await visit({ host }).get(path)
      t.equal(reply.statusCode === 403, !isKnown, path)
    }
  })
}

t.test('the page for a name that is not known says which setting to change, and nothing else', async (t) => {
  const { reader, visit } = openConsole(t)
  const ann = await reader()
  const reply = await ann.get('/books', { host: 'evil.example:8080' })
  t.match(reply, { statusCode: 403, body: /<code>KSS_CONSOLE_HOSTS=evil\.example<\/code>/ })
  t.notMatch(reply.body, '/sign-out')
  t.match((await visit({ host: '<b>"' }).get('/')).body, 'asked for <bdi>&lt;b&gt;&quot;</bdi>')
  t.match((await visit({ host: '<b>"' }).get('/')).body, 'KSS_CONSOLE_HOSTS=the name')
})

t.test('what comes through a trusted proxy may have any name, and that is the origin of its forms', async (t) => {
  const { app, visit } = openConsole(t, proxy)
  await new Reader(app).register()
  const own = { host: '10.0.0.1:8080', 'x-forwarded-host': 'sync.example.org', 'x-forwarded-proto': 'https' }
  const ann = visit(own)
  await ann.get('/')
  const typed = { username: 'ann', password: 'secret' }
  t.equal((await ann.post('/sign-in', typed, { origin: 'https://evil.example' })).statusCode, 403)
  t.equal((await ann.post('/sign-in', typed, { origin: 'https://sync.example.org' })).statusCode, 303)
  t.equal(ann.cookies.size, 2)
})

t.test('who is no trusted proxy cannot say what the host is', async (t) => {
  const { visit } = openConsole(t)
  const headers = { host: 'evil.example', 'x-forwarded-host': 'localhost' }
  t.equal((await visit(headers).get('/')).statusCode, 403)
})

const refused: [string, Record<string, string>][] = [
  ['of another site', { 'sec-fetch-site': 'cross-site' }],
  ['of another port or name of this site', { 'sec-fetch-site': 'same-site' }],
  ['that no page sent', { 'sec-fetch-site': 'none' }],
  ['of another site, whatever its Origin', { 'sec-fetch-site': 'cross-site', origin: 'http://kss.local:8080' }],
  ['of another origin', { origin: 'http://evil.example' }],
  ['of another port', { origin: 'http://kss.local:9090' }],
  ['of a sandbox or a local file', { origin: 'null' }],
  ['without an origin', { origin: '' }],
]
const accepted: [string, Record<string, string>][] = [
  ['of this origin', {}],
  ['of this site, of a browser that says so', { 'sec-fetch-site': 'same-origin' }],
  ['of this site, though a proxy changed the Host', { 'sec-fetch-site': 'same-origin', host: 'kss' }],
  ['of this origin, in capitals', { host: 'KSS.local:8080' }],
]

for (const [kind, headers, isRefused] of [
  ...refused.map(([...row]) => [...row, true] as const),
  ...accepted.map(([...row]) => [...row, false] as const),
]) {
  t.test(`a form ${kind} is ${isRefused ? 'refused' : 'taken'}, signed in or not`, async (t) => {
    const { reader, visit, app } = openConsole(t)
    const ann = await reader()
    const out = await ann.post('/sign-out', {}, headers)
    t.equal(out.statusCode, isRefused ? 403 : 303)
    if (isRefused) t.match(out.body, 'This came from another page')
    t.equal(await ann.isIn(), isRefused)
    await new Reader(app, 'bob').register()
    const bob = visit()
    await bob.get('/')
    const signedIn = await bob.post('/sign-in', { username: 'bob', password: 'secret' }, headers)
    t.equal(signedIn.statusCode, isRefused ? 403 : 303)
  })
}

t.test('a form without a token, or with that of another session, is refused', async (t) => {
  const { reader, visit, app } = openConsole(t)
  const [ann, bob] = [await reader('ann'), await reader('bob')]
  for (const token of ['', 'x', 'x'.repeat(43), bob.tokenFor('/sign-out')]) {
    const reply = await ann.post('/sign-out', { token })
    t.match(reply, { statusCode: 403, body: /This form is not valid any more.*earlier visit/s })
    await ann.get('/books')
  }
  t.equal(await ann.isIn(), true)
  const stranger = visit()
  await stranger.get('/')
  const other = visit()
  await other.get('/')
  const typed = { username: 'ann', password: 'secret' }
  t.equal((await stranger.post('/sign-in', { ...typed, token: other.tokenFor('/sign-in') })).statusCode, 403)
  t.equal((await app.inject({ method: 'POST', url: '/sign-in', headers: stranger.headers })).statusCode, 403)
})

t.test('a browser without cookies is told to allow them', async (t) => {
  const { visit } = openConsole(t)
  const visitor = visit()
  await visitor.get('/')
  visitor.cookies.clear()
  t.match(await visitor.post('/sign-in', { username: 'ann', password: 'secret' }), {
    statusCode: 403,
    body: /Allow cookies/,
  })
})
