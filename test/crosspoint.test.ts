import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { Reader } from './helper.ts'
import { listen } from './raw-socket.ts'

/** How often ESP-IDF's HTTP client, which CrossPoint uses, answers a challenge by sending the same request again. */
const maxAuthRetries = 10

/** A log-in as CrossPoint sends it, with both kinds of credentials, over one connection; all answers to it. */
async function logIn(app: FastifyInstance, { username, key }: Reader, password: string): Promise<string[]> {
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1').setEncoding('latin1')
  const basic = Buffer.from(`${username}:${password}`).toString('base64')
  const lines = [
    'GET /users/auth HTTP/1.1',
    'User-Agent: CrossPoint-ESP32-1.0.0',
    'Host: kss',
    'Accept: application/vnd.koreader.v1+json',
    `x-auth-user: ${username}`,
    `x-auth-key: ${key}`,
    `Authorization: Basic ${basic}`,
  ]
  const answers: string[] = []
  do {
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    let answer = ''
    while (!answer.endsWith('}')) answer += String(await once(socket, 'data'))
    answers.push(answer)
  } while (/^HTTP\/1\.1 401 [^]*\r\nwww-authenticate: /i.test(answers.at(-1)!) && answers.length <= maxAuthRetries)
  socket.destroy()
  return answers
}

const auth = { hashKeys: false, scryptCost: 14, loginFailuresPerMinute: 60, registrationsPerHour: 20 }

t.test('CrossPoint asks once with a wrong password, and is told 401', async (t) => {
  const app = await listen(t, { auth })
  await new Reader(app).register()
  const answers = await logIn(app, new Reader(app, 'ann', 'secrte'), 'secrte')
  t.equal(answers.length, 1)
  t.match(answers[0], /^HTTP\/1\.1 401 [^]*\r\n\r\n\{"code":2001,"message":"Unauthorized"\}$/)
  t.match((await logIn(app, new Reader(app), 'secret'))[0], /^HTTP\/1\.1 200 /)
})

for (const [what, headers, challenge] of [
  ['nothing', {}, 'Basic realm="kss", charset="UTF-8"'],
  ['Basic', { authorization: 'Basic YW5uOng=' }, 'Basic realm="kss", charset="UTF-8"'],
  ['a key without a user', { 'x-auth-key': 'x' }, 'Basic realm="kss", charset="UTF-8"'],
  ['x-auth headers', { 'x-auth-user': 'ann', 'x-auth-key': 'x' }, undefined],
  ['x-auth headers that are empty', { 'x-auth-user': '', 'x-auth-key': '' }, undefined],
  ['both', { 'x-auth-user': 'ann', 'x-auth-key': 'x', authorization: 'Basic YW5uOng=' }, undefined],
] as const) {
  t.test(`the 401 for ${what} ${challenge ? 'asks for Basic' : 'asks for nothing'}`, async (t) => {
    const app = await listen(t)
    const { port } = app.server.address() as AddressInfo
    const reply = await fetch(`http://127.0.0.1:${port}/users/auth`, { headers })
    t.equal(reply.status, 401)
    t.equal(reply.headers.get('www-authenticate') ?? undefined, challenge)
  })
}
