import t from 'tap'
import { build, buildReader, position } from './helper.ts'

const table = [
  ['/healthcheck', 'GET, HEAD, OPTIONS', 'POST'],
  ['/users/create', 'POST, OPTIONS', 'GET'],
  ['/users/auth', 'GET, HEAD, OPTIONS', 'DELETE'],
  ['/users/password', 'PUT, OPTIONS', 'POST'],
  ['/users/me', 'DELETE, OPTIONS', 'GET'],
  ['/syncs/progress', 'PUT, OPTIONS', 'GET'],
  ['/syncs/progress/abc', 'GET, HEAD, OPTIONS', 'PUT'],
] as const

t.test('the health check answers without credentials', async (t) => {
  const reply = await build(t).inject('/healthcheck')
  t.equal(reply.statusCode, 200)
  t.equal(reply.body, '{"state":"OK"}')
})

for (const [url, allow, method] of table) {
  t.test(`${method} ${url} answers 405 and names ${allow}, whatever the body`, async (t) => {
    const reply = await build(t).inject({ method, url, body: '{' })
    t.equal(reply.statusCode, 405)
    t.equal(reply.headers['allow'], allow)
    t.same(reply.json(), { code: 405, message: 'Method not allowed.' })
  })

  t.test(`OPTIONS ${url} names ${allow}`, async (t) => {
    const reply = await build(t).inject({ method: 'OPTIONS', url })
    t.equal(reply.statusCode, 204)
    t.equal(reply.headers['allow'], allow)
    t.equal(reply.body, '')
  })
}

for (const url of ['/', '/nope', '/syncs', '/syncs/progress2', '/users']) {
  t.test(`${url} answers 404, whatever the method and the body`, async (t) => {
    for (const method of ['GET', 'POST', 'DELETE'] as const) {
      const reply = await build(t).inject({ method, url, ...(method === 'POST' && { body: '{' }) })
      t.equal(reply.statusCode, 404)
      t.same(reply.json(), { code: 404, message: 'Not found.' })
    }
  })
}

t.test('two slashes are one, and one at the end is ignored, but in a document', async (t) => {
  const reader = await buildReader(t)
  await reader.update(position)
  for (const url of ['//syncs/progress/abc', '/syncs//progress/abc', '/syncs/progress/abc?x=/']) {
    t.match((await reader.app.inject({ url, headers: reader.headers })).json(), position, url)
  }
  for (const url of ['//healthcheck//', '/users//auth/?x=/']) {
    t.equal((await reader.app.inject({ url, headers: reader.headers })).statusCode, 200)
  }
})

t.test('a base path moves every route', async (t) => {
  const app = build(t, { basePath: '/kosync' })
  for (const [url, , method] of table) {
    t.equal((await app.inject({ method, url: `/kosync${url}` })).statusCode, 405)
    t.equal((await app.inject({ method, url })).statusCode, 404)
  }
  t.equal((await app.inject('/kosync//healthcheck/')).statusCode, 200)
})

t.test('HEAD answers as GET does, without the body', async (t) => {
  const reader = await buildReader(t)
  await reader.update(position)
  for (const url of ['/healthcheck', '/users/auth', '/syncs/progress/abc']) {
    const get = await reader.app.inject({ url, headers: reader.headers })
    const head = await reader.app.inject({ method: 'HEAD', url, headers: reader.headers })
    t.equal(head.statusCode, 200)
    t.equal(head.body, '')
    t.equal(head.headers['content-length'], get.headers['content-length'])
    t.equal(head.headers['content-type'], 'application/json')
  }
})

for (const contentType of [
  undefined,
  'text/plain',
  'application/x-www-form-urlencoded',
  'application/vnd.koreader.v1+json',
  'application/json; charset=utf-8',
  'multipart/form-data; boundary=x',
  'nonsense',
  ';',
]) {
  t.test(`a body of Content-Type ${contentType} is read as JSON`, async (t) => {
    const reader = await buildReader(t)
    const headers = { ...reader.headers, ...(contentType !== undefined && { 'content-type': contentType }) }
    const body = JSON.stringify(position)
    const reply = await reader.app.inject({ method: 'PUT', url: '/syncs/progress', headers, body })
    t.equal(reply.statusCode, 200)
  })
}

t.test('a body may start with a byte order mark, but must be UTF-8', async (t) => {
  const reader = await buildReader(t)
  t.equal((await reader.update(`\ufeff${JSON.stringify(position)}`)).statusCode, 200)
  const body = Buffer.from(JSON.stringify({ ...position, device: 'caf\xe9' }), 'latin1')
  const reply = await reader.app.inject({ method: 'PUT', url: '/syncs/progress', headers: reader.headers, body })
  t.match(reply.json(), { code: 103 })
})

t.test('a body of 16 KiB is read, one byte more answers 413', async (t) => {
  const reader = await buildReader(t)
  const fill = (bytes: number): string => JSON.stringify(position).padEnd(bytes, ' ')
  t.equal((await reader.update(fill(16 * 1024))).statusCode, 200)
  const reply = await reader.update(fill(16 * 1024 + 1))
  t.equal(reply.statusCode, 413)
  t.same(reply.json(), { code: 413, message: 'The request body is too large.' })
})

t.test('a URL that is not percent-encoded UTF-8 answers 400', async (t) => {
  const reader = await buildReader(t)
  for (const url of ['/syncs/progress/%zz', '/syncs/progress/%ff', '/%c0%af']) {
    const reply = await reader.app.inject({ url, headers: reader.headers })
    t.equal(reply.statusCode, 400)
    t.equal(reply.headers['content-type'], 'application/json')
    t.same(reply.json(), { code: 400, message: 'Bad request.' })
  }
})
