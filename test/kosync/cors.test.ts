import t from 'tap'
import { build } from '../helper.ts'
import { exchange, listen, request } from '../raw-socket.ts'

const readest = 'https://web.readest.com'

/** The headers of answers that are about pages of other origins. */
function corsOf(headers: Record<string, unknown>): Record<string, unknown> {
  const about = Object.entries(headers).filter(([name]) => name === 'vary' || name.startsWith('access-control-'))
  return Object.fromEntries(about)
}

const urls = ['/kosync/users/auth', '/kosync/syncs/progress/abc', '/kosync/nope', '/users/auth', '/', '/%zz'] as const

for (const url of urls) {
  t.test(`a browser may ask for ${url} from any page`, async (t) => {
    const headers = {
      origin: readest,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'cf-access-client-id,cf-access-client-secret,x-auth-key,x-auth-user',
      'access-control-request-private-network': 'true',
    }
    const reply = await build(t, { basePath: '/kosync' }).inject({ method: 'OPTIONS', url, headers })
    t.equal(reply.statusCode, 204)
    t.equal(reply.body, '')
    t.same(corsOf(reply.headers), {
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, HEAD, POST, PUT, DELETE',
      'access-control-allow-headers': headers['access-control-request-headers'],
      'access-control-allow-private-network': 'true',
      'access-control-max-age': '86400',
    })
  })

  t.test(`a page may read the answer of ${url}`, async (t) => {
    const app = build(t, { basePath: '/kosync' })
    for (const headers of [{}, { origin: readest }]) {
      t.same(corsOf((await app.inject({ url, headers })).headers), { 'access-control-allow-origin': '*' })
    }
  })
}

const usual = 'x-auth-user, x-auth-key, authorization, content-type'

for (const [what, asked, allowed] of [
  ['no names', undefined, usual],
  ['an empty list', '', usual],
  ['one name', 'x-auth-user', 'x-auth-user'],
  ['blanks between names', 'a, b ,c', 'a, b ,c'],
  ['all characters of a name', "aZ09!#$%&'*+.^_`|~-", "aZ09!#$%&'*+.^_`|~-"],
  ['1,024 characters', 'a'.repeat(1024), 'a'.repeat(1024)],
  ['1,025 characters', 'a'.repeat(1025), usual],
  ['a name with a blank', 'a b', usual],
  ['a name with a colon', 'a:b', usual],
  ['an empty name', 'a,,b', usual],
  ['a name that is not ASCII', 'caf\xe9', usual],
  ['what looks like another header', 'a\tset-cookie', usual],
] as const) {
  t.test(`a preflight that asks for ${what} is allowed ${allowed.slice(0, 60)}`, async (t) => {
    const headers = {
      origin: readest,
      'access-control-request-method': 'GET',
      ...(asked !== undefined && { 'access-control-request-headers': asked }),
    }
    const reply = await build(t).inject({ method: 'OPTIONS', url: '/users/auth', headers })
    t.equal(reply.statusCode, 204)
    t.equal(reply.headers['access-control-allow-headers'], allowed)
  })
}

for (const [what, corsOrigins, origin, expected] of [
  ['an origin of the list', [readest, 'tauri://localhost'], readest, { 'access-control-allow-origin': readest }],
  ['another of the list', [readest, 'tauri://localhost'], 'tauri://localhost', undefined],
  ['an origin that is not in the list', [readest], 'https://evil.example', {}],
  ['an origin that begins as one of the list', [readest], `${readest}.evil.example`, {}],
  ['no origin', [readest], undefined, {}],
  ['an origin, where none is allowed', ['none'], readest, {}],
  ['the word none, where none is allowed', ['none'], 'null', {}],
] as const) {
  t.test(`with a list, a request with ${what} gets no more than its due`, async (t) => {
    const app = build(t, { corsOrigins: [...corsOrigins] })
    const headers = origin === undefined ? {} : { origin }
    const wanted = { vary: 'Origin', ...(expected ?? { 'access-control-allow-origin': origin }) }
    for (const url of ['/healthcheck', '/users/auth', '/nope', '/%zz']) {
      t.same(corsOf((await app.inject({ url, headers })).headers), wanted, url)
    }
    const asked = { ...headers, 'access-control-request-method': 'GET' }
    const preflight = await app.inject({ method: 'OPTIONS', url: '/nope', headers: asked })
    t.equal(preflight.statusCode, 204)
    t.match(preflight.headers, wanted)
    t.equal('access-control-allow-origin' in preflight.headers, 'access-control-allow-origin' in wanted)
  })
}

t.test('with a list, an answer to what is not HTTP allows nobody', async (t) => {
  const app = await listen(t, { corsOrigins: [readest] })
  t.notMatch(await exchange(app, 'nonsense\r\n\r\n'), /access-control/i)
})

t.test('a preflight without Host is a bad request, as any other', async (t) => {
  const app = await listen(t)
  const lines = ['OPTIONS /nope HTTP/1.1', 'Access-Control-Request-Method: GET', 'Connection: close', '', '']
  t.match(await exchange(app, lines.join('\r\n')), /^HTTP\/1\.1 400 /)
  t.match(await exchange(app, ...request('OPTIONS /nope', [lines[1]!])), /^HTTP\/1\.1 204 /)
})
