import t from 'tap'
import type { Unready } from '../../src/http/readiness.ts'
import { build, buildReader } from '../helper.ts'
import type { RequestLine } from '../../src/log.ts'

for (const basePath of ['', '/kosync']) {
  t.test(`a server at "${basePath}" is ready, or says why not, and never in the log`, async (t) => {
    let reason: Unready | undefined
    const lines: RequestLine[] = []
    const options = { basePath, findUnready: () => reason, logRequest: (line: RequestLine) => lines.push(line) }
    const app = build(t, options)
    const url = `${basePath}/readiness`
    const first = await app.inject(url)
    t.equal(first.statusCode, 200)
    t.same(first.json(), { ready: true })
    t.match(first.headers, { 'cache-control': 'no-store', 'content-type': /^application\/json/ })
    for (const each of ['storage', 'stopping'] as const) {
      reason = each
      const reply = await app.inject(url)
      t.equal(reply.statusCode, 503)
      t.same(reply.json(), { ready: false, reason: each })
    }
    t.equal((await app.inject({ method: 'HEAD', url })).statusCode, 503)
    t.equal((await app.inject(`${basePath}/healthcheck`)).statusCode, 200, 'it is well all the same')
    t.match(
      lines.map(({ path }) => path),
      [`${basePath}/healthcheck`],
    )
  })
}

t.test('readers and their documents are as without it', async (t) => {
  const reader = await buildReader(t, { findUnready: () => 'storage' })
  const position = { document: 'readiness', percentage: 0.5, progress: '56', device: 'kpw' }
  t.equal((await reader.update(position)).statusCode, 200)
  t.match((await reader.get('readiness')).json(), position)
  t.same((await reader.app.inject({ method: 'POST', url: '/readiness' })).json(), { code: 404, message: 'Not found.' })
})

t.test('a server that nobody asks whether it is ready says that it is', async (t) => {
  t.same((await build(t).inject('/readiness')).json(), { ready: true })
})
