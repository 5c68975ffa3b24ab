import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { start } from './commands/kss.ts'
import { freePort } from './free-port.ts'

/** All that a server writes that is asked whether it is well, then in a wrong way, then for a wrong path, then by readers, then stopped. */
async function logOf(t: Test, args: string[] = [], readers?: (url: string) => Promise<void>): Promise<string> {
  const port = await freePort()
  const child = start(t, ['serve', '--host', '127.0.0.1', '--port', `${port}`, '--dir', t.testdir({}), ...args], {})
  let log = ''
  child.stdout.on('data', (chunk) => (log += String(chunk)))
  for (let status = 0; status !== 200; await sleep(50)) {
    status = await fetch(`http://127.0.0.1:${port}/healthcheck?secret=1`).then(
      (response) => response.status,
      () => 0,
    )
  }
  await fetch(`http://127.0.0.1:${port}/healthcheck?secret=1`, { method: 'POST' })
  await fetch(`http://127.0.0.1:${port}/nope?secret=1`)
  await readers?.(`http://127.0.0.1:${port}`)
  child.kill('SIGTERM')
  await once(child, 'close')
  return log
}

t.test('a JSON log has a line a request', async (t) => {
  const lines = (await logOf(t)).trim().split('\n')
  t.equal(lines.length, 4, 'listening, two requests, stopping')
  // The line that says that the server listens may come later.
  const request = lines.find((each) => each.includes('/nope'))
  const { time, ms, ...line } = JSON.parse(request ?? '') as Record<string, unknown>
  t.type(time, 'number')
  t.type(ms, 'number')
  const expected = { level: 40, id: line['id'], method: 'GET', path: '/nope', status: 404, ip: '127.0.0.1' }
  t.same(line, { ...expected, reason: 'there is no such path', msg: 'refused' })
})

t.test('a pretty log has a line a request', async (t) => {
  t.match(
    await logOf(t, ['--log-format', 'pretty']),
    /WARN: refused GET \/nope 404 [\d.]+ ms .*127\.0\.0\.1: there is no such path$/m,
  )
})

t.test('health checks that went well are logged for debugging only', async (t) => {
  for (const [format, line] of [
    ['json', /^\{"level":20,.*"path":"\/healthcheck","status":200,.*"msg":"request"\}$/m],
    ['pretty', /DEBUG: request GET \/healthcheck 200 /],
  ] as const) {
    t.notMatch(await logOf(t, ['--log-format', format]), /GET\W+(path\W+)?healthcheck/)
    t.match(await logOf(t, ['--log-format', format, '--log-level', 'debug']), line)
  }
})

t.test('a health check that went wrong is logged as any request', async (t) => {
  t.match(await logOf(t), /"level":40,.*"method":"POST","path":"\/healthcheck","status":405,/)
})

t.test('a log of warnings has the troubles only', async (t) => {
  const lines = (await logOf(t, ['--log-level', 'warn'])).trim().split('\n')
  t.same(
    lines.map((line) => (JSON.parse(line) as { status: number }).status),
    [405, 404],
  )
})

for (const [format, expected] of [
  ['json', '"user":"eve\\u009b31m\\u202e"'],
  ['pretty', 'ms eve\\u{9b}31m\\u{202e} 127.0.0.1'],
] as const) {
  t.test(`a ${format} log holds nothing that a terminal obeys`, async (t) => {
    const name = 'eve\u009b31m\u202e'
    const log = await logOf(t, ['--log-format', format], async (url) => {
      const body = JSON.stringify({ username: name, password: 'K' })
      await fetch(`${url}/users/create`, { method: 'POST', body })
      const headers = { 'x-auth-user': Buffer.from(name).toString('latin1'), 'x-auth-key': 'K' }
      const { status } = await fetch(`${url}/users/auth`, { headers })
      t.equal(status, 200)
    })
    t.match(log, expected)
    t.notMatch(log, /(?!\n)[\p{Cc}\p{Cf}]/u)
  })
}
