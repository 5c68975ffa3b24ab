import type { FastifyPluginAsync } from 'fastify'
import t, { type Test } from 'tap'
import { build, buildReader, position, Reader } from './helper.ts'
import { exchange, listen, request } from './raw-socket.ts'

/** A part with a page, a style sheet, a form, and an error page of its own. */
const pages: FastifyPluginAsync = async (app) => {
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(String(body))))
  })
  app.setErrorHandler(({ message, statusCode = 500 }: Error & { statusCode?: number }, _request, reply) =>
    reply.code(statusCode).type('text/html; charset=utf-8').send(`<p>${message}</p>`),
  )
  app.setNotFoundHandler((_request, reply) => reply.code(404).type('text/html; charset=utf-8').send('<p>no page</p>'))
  app.get('/', async (_request, reply) => reply.type('text/html; charset=utf-8').send('<p>books</p>'))
  app.get('/style.css', async (_request, reply) =>
    reply.type('text/css; charset=utf-8').header('cache-control', 'max-age=3600').send('p { margin: 0 }'),
  )
  app.get('/data', async () => ({ books: 1 }))
  app.post('/form', async (asked) => ({ body: asked.body, hasAccount: 'account' in asked }))
  app.get('/broken', async () => {
    throw Object.assign(new Error('no such book'), { statusCode: 410 })
  })
}

const part: FastifyPluginAsync = async (app) => {
  app.register(pages, { prefix: '/pages' })
}

const html = 'text/html; charset=utf-8'

/** Nothing but what the part itself, Fastify and Node say. */
function isClean(t: Test, headers: Record<string, unknown>): void {
  const { date: _date, connection: _connection, 'content-length': _length, 'content-type': _type, ...others } = headers
  t.same(others, {})
}

for (const basePath of ['', '/kosync']) {
  const options = { basePath, parts: [part], corsOrigins: ['https://web.readest.com'] }
  const beside = `beside the wire at "${basePath}"`

  for (const [what, method, url, status, type, body] of [
    ['a page', 'GET', '/pages', 200, html, '<p>books</p>'],
    ['JSON', 'GET', '/pages/data', 200, 'application/json; charset=utf-8', '{"books":1}'],
    ['an error', 'GET', '/pages/broken', 410, html, '<p>no such book</p>'],
    ['a wrong path', 'GET', '/pages/nope', 404, html, '<p>no page</p>'],
    ['a wrong method', 'PUT', '/pages/data', 404, html, '<p>no page</p>'],
  ] as const) {
    t.test(`${beside}, ${what} of another part is as that part says`, async (t) => {
      const reply = await build(t, options).inject({ method, url })
      t.equal(reply.statusCode, status)
      t.equal(reply.headers['content-type'], type)
      t.equal(reply.body, body)
      isClean(t, reply.headers)
    })
  }

  t.test(`${beside}, another part's own headers stay`, async (t) => {
    const { 'cache-control': cache, ...headers } = (await build(t, options).inject('/pages/style.css')).headers
    t.equal(headers['content-type'], 'text/css; charset=utf-8')
    t.equal(cache, 'max-age=3600')
    isClean(t, headers)
  })

  t.test(`${beside}, another part reads its forms, and refuses what it cannot read`, async (t) => {
    const app = build(t, options)
    const post = (type: string, body: string) =>
      app.inject({ method: 'POST', url: '/pages/form', headers: { 'content-type': type }, body })
    const form = await post('application/x-www-form-urlencoded', 'title=Dune&title=Emma')
    t.same(form.json(), { body: { title: 'Emma' }, hasAccount: false })
    t.same((await post('application/json', '{"title":"Dune"}')).json(), { body: { title: 'Dune' }, hasAccount: false })
    const nonsense = await post('nonsense', '{}')
    t.equal(nonsense.statusCode, 415)
    t.equal(nonsense.headers['content-type'], html)
  })

  t.test(`${beside}, no page of another origin may ask another part`, async (t) => {
    const headers = { origin: 'https://web.readest.com', 'access-control-request-method': 'POST' }
    const reply = await build(t, options).inject({ method: 'OPTIONS', url: '/pages/form', headers })
    t.equal(reply.statusCode, 404)
    isClean(t, reply.headers)
  })

  t.test(`${beside}, the wire is as it is without another part`, async (t) => {
    const reader = new Reader(build(t, options))
    const url = `${basePath}/users/create`
    const body = JSON.stringify({ username: reader.username, password: reader.key })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const reply = await reader.app.inject({ method: 'POST', url, headers, body })
    t.equal(reply.statusCode, 201)
    t.equal(reply.headers['content-type'], 'application/json')
    const wrong = await reader.app.inject('/nope')
    t.same(wrong.json(), { code: 404, message: 'Not found.' })
    t.match(wrong.headers, { 'content-type': 'application/json', 'cache-control': 'no-store', vary: 'Origin' })
  })
}

t.test('a part without its own Host check, parser or errors gets those of Fastify', async (t) => {
  const bare: FastifyPluginAsync = async (app) => {
    app.post('/bare', async ({ body }) => body)
  }
  const app = await listen(t, { parts: [bare] })
  t.match(await exchange(app, 'POST /bare HTTP/1.1\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 200 /)
  const reply = await exchange(app, ...request('POST /bare', ['Content-Type: text/html'], '<p>'))
  t.match(reply, /^HTTP\/1\.1 415 [^]*\r\ncontent-type: application\/json; charset=utf-8\r\n/)
})

t.test('a reader pushes and pulls beside another part', async (t) => {
  const reader = await buildReader(t, { parts: [part] })
  t.equal((await reader.update(position)).statusCode, 200)
  t.match((await reader.get(position.document)).json(), position)
})
