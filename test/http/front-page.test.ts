import t from 'tap'
import { build } from '../helper.ts'

const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

for (const [basePath, url, address] of [
  ['', '/', 'this address'],
  ['/kosync', '/kosync', 'this address'],
  ['/kosync', '/kosync/', 'this address'],
  ['/kosync', '/', 'this address with /kosync at its end'],
] as const) {
  t.test(`a browser at ${url} reads what to type, where the base path is "${basePath}"`, async (t) => {
    const app = build(t, { basePath })
    const reply = await app.inject({ url, headers: browser })
    t.equal(reply.statusCode, 200)
    t.equal(reply.headers['content-type'], 'text/plain; charset=utf-8')
    const where = 'under Progress sync > Custom sync server.'
    t.equal(reply.body, `This is kss, a sync server for KOReader. On the reader, type ${address} ${where}\n`)
    const head = await app.inject({ method: 'HEAD', url, headers: browser })
    t.match(head, { statusCode: 200, body: '' })
  })
}

for (const [what, method, url, accept] of [
  ['KOReader at the root', 'GET', '/', 'application/vnd.koreader.v1+json'],
  ['KOReader at the base path', 'GET', '/kosync', 'application/vnd.koreader.v1+json'],
  ['a client that takes anything', 'GET', '/', '*/*'],
  ['a client that does not say what it takes', 'GET', '/', undefined],
  ['a form of a browser', 'POST', '/', browser.accept],
  ['a browser at another path', 'GET', '/users', browser.accept],
  ['a browser below the base path', 'GET', '/kosync/index.html', browser.accept],
] as const) {
  t.test(`${what} gets the 404 of the wire`, async (t) => {
    const app = build(t, { basePath: '/kosync' })
    const reply = await app.inject({ method, url, headers: accept === undefined ? {} : { accept } })
    t.equal(reply.statusCode, 404)
    t.equal(reply.headers['content-type'], 'application/json')
    t.same(reply.json(), { code: 404, message: 'Not found.' })
  })
}
