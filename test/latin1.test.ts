import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { keyOfPassword } from '../src/kosync/credentials.ts'
import { position } from './helper.ts'
import { exchange, listen, request } from './raw-socket.ts'

const username = 'Zoë'
const password = 'geheimé'
const key = keyOfPassword(password)

async function register(app: FastifyInstance, name: string): Promise<string> {
  const body = JSON.stringify({ username: name, password: key })
  return await exchange(app, ...request('POST /users/create', [], body))
}

const xAuth = (user: Buffer): (string | Buffer)[] => [
  Buffer.concat([Buffer.from('x-auth-user: '), user]),
  `x-auth-key: ${key}`,
]

const basic = (text: Buffer): string[] => [`Authorization: Basic ${text.toString('base64')}`]

for (const [what, lines] of [
  ['x-auth-user in latin1', xAuth(Buffer.from(username, 'latin1'))],
  ['x-auth-user in UTF-8', xAuth(Buffer.from(username))],
  ['Basic in latin1', basic(Buffer.from(`${username}:${password}`, 'latin1'))],
  ['Basic in UTF-8', basic(Buffer.from(`${username}:${password}`))],
] satisfies [string, (string | Buffer)[]][]) {
  t.test(`${username} registers and logs in with ${what}`, async (t) => {
    const app = await listen(t)
    t.match(await register(app, username), /^HTTP\/1\.1 201 /)
    t.match(await exchange(app, ...request('GET /users/auth', lines)), /^HTTP\/1\.1 200 /)
    const push = request('PUT /syncs/progress', lines, JSON.stringify(position))
    t.match(await exchange(app, ...push), /^HTTP\/1\.1 200 /)
  })
}

t.test("fetch, which sends a header's text as latin1, registers and logs in", async (t) => {
  const app = await listen(t)
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const body = JSON.stringify({ username, password: key })
  t.equal((await fetch(`${url}/users/create`, { method: 'POST', body })).status, 201)
  const headers = { 'x-auth-user': username, 'x-auth-key': key }
  t.equal((await fetch(`${url}/users/auth`, { headers })).status, 200)
  t.equal((await fetch(`${url}/users/auth`, { headers: { ...headers, 'x-auth-user': 'Zoé' } })).status, 401)
})

t.test('bytes that are UTF-8 are never read as latin1', async (t) => {
  const app = await listen(t)
  await register(app, Buffer.from(username).toString('latin1'))
  const lines = xAuth(Buffer.from(username))
  t.match(await exchange(app, ...request('GET /users/auth', lines)), /^HTTP\/1\.1 401 /)
})
