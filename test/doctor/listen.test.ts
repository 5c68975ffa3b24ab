import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { AppOptions } from '../../src/app.ts'
import { Events, type HeardEvent } from '../../src/doctor/events.ts'
import { keyOfPassword } from '../../src/kosync/credentials.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { position } from '../helper.ts'
import { exchange, listen, request } from '../raw-socket.ts'
import { until } from '../until.ts'

const day = 86_400_000

interface Opened {
  app: FastifyInstance
  store: MemoryStore
  events: Events
  /** The events of ann's account, without times and counts. */
  ofAnn: () => Told[]
  ofOperator: () => Told[]
  ask: (method: string, path: string, options?: Asked) => Promise<number>
}

type Told = Partial<Pick<HeardEvent, 'kind' | 'user' | 'detail'>>

interface Asked {
  /** Whose credentials; none for nobody's. */
  as?: [string, string] | undefined
  headers?: Record<string, string>
  body?: string
}

const ann: [string, string] = ['ann', 'secret']

const json = JSON.stringify

/** A server with ann's account, on a port. */
async function open(t: Test, options: Partial<AppOptions> = {}): Promise<Opened> {
  const store = (options.store as MemoryStore | undefined) ?? new MemoryStore()
  const events = options.events ?? new Events({ basePath: options.basePath ?? '' })
  const auth = { hashKeys: false, scryptCost: 8, loginFailuresPerMinute: 6, registrationsPerHour: 1 }
  const app = await listen(t, { store, events, auth, ...options })
  await store.createUser({ username: 'ann', key: keyOfPassword('secret') })
  const { account } = (await store.getUser('ann'))!
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const told = (id?: string): Told[] => {
    return events.list(id).events.map(({ kind, user, detail, address }) => {
      t.equal(address, '127.0.0.1')
      return { kind, ...(user !== '' && { user }), ...(detail !== '' && { detail }) }
    })
  }
  const ask: Opened['ask'] = async (method, path, { as, headers, body } = {}) => {
    const credentials = as && { 'x-auth-user': as[0], 'x-auth-key': keyOfPassword(as[1]) }
    const init = { method, headers: { ...credentials, ...headers }, ...(body !== undefined && { body }) }
    const response = await fetch(url + path, init)
    await response.text()
    return response.status
  }
  return { app, store, events, ask, ofAnn: () => told(account.id), ofOperator: () => told() }
}

t.test('a log-in with a wrong password is an event of the account, whose owner may be asked', async (t) => {
  const { ask, ofAnn, ofOperator } = await open(t)
  t.equal(await ask('GET', '/users/auth', { as: ['ann', 'wrong'] }), 401)
  t.same(ofAnn(), [{ kind: 'wrongPassword' }])
  t.same(ofOperator(), [])
})

t.test('a log-in to a disabled account says so, also with a wrong password', async (t) => {
  const { ask, store, ofAnn } = await open(t)
  await store.setDisabled((await store.getUser('ann'))!.account, true)
  t.equal(await ask('GET', '/users/auth', { as: ann }), 401)
  t.equal(await ask('GET', '/users/auth', { as: ['ann', 'wrong'] }), 401)
  t.same(ofAnn(), [{ kind: 'disabled' }])
})

t.test('nothing that is heard holds a secret', async (t) => {
  const { ask, events } = await open(t)
  await ask('GET', '/users/auth', { as: ['ann', 'wrong'], headers: { authorization: 'Basic c2VjcmV0' } })
  await ask('GET', '/users/auth', { as: ['eve', 'wrong'] })
  await ask('PUT', '/syncs/progress', { as: ann, body: '{"secret' })
  await ask('GET', `/api/koreader/${'k'.repeat(32)}/users/auth?apiKey=secret`, { as: ['eve', 'wrong'] })
  const all = json([events.list(), ...Object.keys(events.counts()).map((id) => events.list(id))])
  for (const secret of ['secret', 'wrong"', keyOfPassword('wrong'), keyOfPassword('secret'), 'c2VjcmV0', 'kkkk'])
    t.notMatch(all, secret)
})

/** What reaches no account: the settings, what is asked, the status, and what is heard. */
const ofNobody: [string, Partial<AppOptions>, (asked: Opened) => Promise<unknown>, Told][] = [
  [
    'an unknown name',
    {},
    ({ ask }) => ask('GET', '/users/auth', { as: ['eve', 'x'] }),
    { kind: 'unknownUser', user: 'eve' },
  ],
  ['no name', {}, ({ ask }) => ask('GET', '/syncs/progress/abc'), { kind: 'noCredentials' }],
  [
    'a taken name',
    {},
    ({ ask }) => ask('POST', '/users/create', { body: json({ username: 'ann', password: 'K' }) }),
    { kind: 'nameTaken', user: 'ann' },
  ],
  [
    'registration while it is closed',
    { disableRegistration: true },
    ({ ask }) => ask('POST', '/users/create', { body: json({ username: 'bob', password: 'K' }) }),
    { kind: 'registrationClosed' },
  ],
  [
    'a name that is not invited',
    { disableRegistration: true },
    async ({ ask, store }) => {
      await store.setInvited('cid', true)
      const headers = { accept: 'application/vnd.koreader.v1+json' }
      await ask('POST', '/users/create', { headers, body: json({ username: 'bob', password: 'K' }) })
    },
    { kind: 'registrationClosed', user: 'bob' },
  ],
  [
    'a registration without a password',
    {},
    ({ ask }) => ask('POST', '/users/create', { body: json({ username: 'bob' }) }),
    { kind: 'badField', detail: 'password is missing' },
  ],
  [
    'the wire without the base path',
    { basePath: '/kosync' },
    ({ ask }) => ask('GET', '/users/auth'),
    { kind: 'noBasePath' },
  ],
  [
    'a base path where there is none',
    {},
    ({ ask }) => ask('GET', '/kosync/users/auth', { as: ann }),
    { kind: 'otherBasePath', detail: '/kosync' },
  ],
  [
    'the base path twice',
    { basePath: '/kosync' },
    ({ ask }) => ask('PUT', '/kosync/kosync/syncs/progress', { as: ann, body: json(position) }),
    { kind: 'otherBasePath', detail: '/kosync/kosync' },
  ],
  [
    'the path of Grimmory',
    {},
    ({ ask }) => ask('GET', '/api/koreader/users/auth'),
    { kind: 'otherBasePath', detail: '/api/koreader' },
  ],
  ['the path of an API', {}, ({ ask }) => ask('GET', '/1/users/auth'), { kind: 'otherBasePath', detail: '/1' }],
  [
    'the path of Kavita, with its key',
    {},
    ({ ask }) => ask('GET', '/api/koreader/0123456789abcdef0123/syncs/progress/abc'),
    { kind: 'otherBasePath', detail: '/api/koreader/…' },
  ],
  ['OPDS', {}, ({ ask }) => ask('GET', '/opds/v1.2/catalog'), { kind: 'otherProtocol', detail: 'OPDS' }],
  [
    'Kobo sync',
    {},
    ({ ask }) => ask('GET', '/kobo/abc/v1/initialization'),
    { kind: 'otherProtocol', detail: 'Kobo sync' },
  ],
  ['WebDAV', {}, ({ ask }) => ask('PROPFIND', '/books'), { kind: 'otherProtocol', detail: 'WebDAV' }],
  ['a reader at another path', {}, ({ ask }) => ask('GET', '/sync', { as: ann }), { kind: 'wrongPath' }],
  [
    'a reader without credentials at another path',
    { basePath: '/kosync' },
    ({ ask }) => ask('GET', '/sync', { headers: { accept: 'application/vnd.koreader.v1+json' } }),
    { kind: 'wrongPath', detail: '/kosync' },
  ],
  ['a push that became a GET', {}, ({ ask }) => ask('GET', '/syncs/progress', { as: ann }), { kind: 'redirected' }],
  [
    'a registration that became a GET',
    {},
    ({ ask }) => ask('GET', '/users/create', { headers: { accept: 'application/vnd.koreader.v1+json' } }),
    { kind: 'redirected' },
  ],
  [
    'a proxy that is not trusted',
    {},
    ({ ask }) => ask('GET', '/healthcheck', { headers: { 'x-forwarded-for': '192.0.2.1' } }),
    { kind: 'unknownProxy' },
  ],
  [
    'the name of another server',
    {},
    ({ app }) => exchange(app, 'GET /x HTTP/1.1\r\nHost: sync.koreader.rocks:443\r\nConnection: close\r\n\r\n'),
    { kind: 'otherHost', detail: 'sync.koreader.rocks' },
  ],
  [
    'the check for a hotspot',
    {},
    ({ app }) =>
      exchange(app, 'GET /generate_204 HTTP/1.1\r\nHost: connectivitycheck.gstatic.com\r\nConnection: close\r\n\r\n'),
    { kind: 'otherHost', detail: 'connectivitycheck.gstatic.com' },
  ],
  [
    'the absolute form',
    {},
    ({ app }) => exchange(app, ...request('GET http://example.org/x', [])),
    { kind: 'httpProxy' },
  ],
  [
    'CONNECT',
    {},
    ({ app }) => exchange(app, 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n'),
    { kind: 'httpProxy' },
  ],
  [
    'https on the http port',
    {},
    async ({ app }) => {
      const socket = connectTls({ port: (app.server.address() as AddressInfo).port, host: '127.0.0.1' })
      await once(socket, 'error')
    },
    { kind: 'tls' },
  ],
  [
    'a connection too many',
    { connectionsPerAddress: 1 },
    async ({ app, ask }) => {
      // Its key is verified: the next request with it is authenticated as soon as it is read.
      await ask('GET', '/users/auth', { as: ann, headers: { connection: 'close' } })
      const { port } = app.server.address() as AddressInfo
      const busy = connect(port, '127.0.0.1').on('error', () => undefined)
      const asked = once(app.server, 'request')
      const key = keyOfPassword('secret')
      busy.write(
        `PUT /syncs/progress HTTP/1.1\r\nHost: kss\r\nx-auth-user: ann\r\nx-auth-key: ${key}\r\nContent-Length: 9\r\n\r\n`,
      )
      await asked
      await exchange(app, 'GET /healthcheck HTTP/1.0\r\n\r\n')
      busy.destroy()
    },
    { kind: 'tooManyConnections' },
  ],
]

for (const [what, options, act, event] of ofNobody) {
  t.test(`${what} is an event of the operator`, async (t) => {
    const opened = await open(t, options)
    await act(opened)
    await until(() => opened.ofOperator().length > 0)
    t.same(opened.ofOperator(), [event])
    t.same(opened.ofAnn(), [])
  })
}

t.test('too many log-ins, and too many registrations, are two kinds', async (t) => {
  const { ask, ofOperator, ofAnn } = await open(t)
  t.equal(await ask('GET', '/users/auth', { as: ['ann', 'wrong'] }), 401)
  t.equal(await ask('GET', '/users/auth', { as: ['ann', 'wrong too'] }), 401)
  t.equal(await ask('GET', '/users/auth', { as: ['ann', 'wrong again'] }), 429)
  t.same(ofAnn(), [{ kind: 'wrongPassword' }])
  t.equal(await ask('POST', '/users/create', { body: json({ username: 'bob', password: 'K' }) }), 201)
  t.equal(await ask('POST', '/users/create', { body: json({ username: 'cid', password: 'K' }) }), 429)
  const headers = { accept: 'application/vnd.koreader.v1+json' }
  t.equal(await ask('POST', '/users/create', { headers, body: json({ username: 'cid', password: 'K' }) }), 402)
  t.same(ofOperator(), [
    { kind: 'tooManyRegistrations', user: 'cid' },
    { kind: 'tooManyAttempts', user: 'ann' },
  ])
})

for (const [what, body, event] of [
  ['that is no JSON', '<html>', { kind: 'notJson' }],
  ['that is no object', '[]', { kind: 'notJson' }],
  ['without a field', json({ ...position, device: undefined }), { kind: 'badField', detail: 'device is missing' }],
  [
    'without a document',
    json({ ...position, document: undefined }),
    { kind: 'badField', detail: 'document is missing' },
  ],
  [
    'with a field of another type',
    json({ ...position, progress: 5 }),
    { kind: 'badField', detail: 'progress is not as it should be' },
  ],
  ['that is too large', json({ ...position, progress: 'x'.repeat(20_000) }), { kind: 'bodyTooLarge' }],
] as const) {
  t.test(`a push with a body ${what} is an event of the account`, async (t) => {
    const { ask, ofAnn, ofOperator } = await open(t)
    await ask('PUT', '/syncs/progress', { as: ann, body })
    t.same(ofAnn(), [event])
    t.same(ofOperator(), [])
  })
}

for (const [error, kind, detail, isOfServer] of [
  [{ code: 'ENOSPC', errno: -28 }, 'diskFull', 'ENOSPC', true],
  [{ code: 'EIO', errno: -5 }, 'unavailable', 'EIO', true],
  [{}, 'serverFailed', undefined, true],
  [{ code: 'QUOTA_REACHED' }, 'quotaReached', undefined, false],
] as const) {
  t.test(`a store that fails with ${json(error)} is heard`, async (t) => {
    class Failing extends MemoryStore {
      override async putProgress(): Promise<never> {
        throw Object.assign(new Error('of /srv/kss'), error)
      }
    }
    const { ask, ofOperator, ofAnn } = await open(t, { store: new Failing() })
    await ask('PUT', '/syncs/progress', { as: ann, body: json(position) })
    const event = { kind, ...(detail !== undefined && { detail }) }
    t.same(ofOperator(), isOfServer ? [event] : [])
    t.same(ofAnn(), [event])
  })
}

for (const [what, method, path] of [
  ['a scanner', 'GET', '/wp-login.php'],
  ['a browser', 'GET', '/favicon.ico'],
  ['a browser at the path of a registration', 'GET', '/users/create'],
  ['a browser at the path of a push', 'GET', '/syncs/progress'],
  ['another method', 'DELETE', '/syncs/progress'],
  ['a path that cannot be decoded', 'GET', '/%zz'],
  ['a health check', 'GET', '/healthcheck'],
  ['a change of what is not there', 'PATCH', '/users/me'],
] as const) {
  t.test(`${what} tells nothing`, async (t) => {
    const { ask, ofOperator, ofAnn } = await open(t)
    await ask(method, path)
    t.same([...ofOperator(), ...ofAnn()], [])
  })
}

t.test('an account that changes between the log-in and the push is no wrong password', async (t) => {
  class Changing extends MemoryStore {
    override async putProgress(): Promise<never> {
      throw Object.assign(new Error('changed'), { code: 'STALE_ACCOUNT' })
    }
  }
  const { ask, ofAnn, ofOperator } = await open(t, { store: new Changing() })
  t.equal(await ask('PUT', '/syncs/progress', { as: ann, body: json(position) }), 401)
  t.same([...ofAnn(), ...ofOperator()], [])
})

t.test('a reader that pulls for a day and never pushes is an event, until it pushes', async (t) => {
  let now = Date.parse('2026-01-31T12:00:00Z')
  const store = new MemoryStore()
  const events = new Events({ now: () => now })
  const { ask } = await open(t, { store, events })
  const { account } = (await store.getUser('ann'))!
  const kinds = (): Told[] => events.list(account.id).events
  for (let times = 0; times < 3; times++) t.equal(await ask('GET', '/syncs/progress/abc', { as: ann }), 200)
  t.same(kinds(), [], 'not on the same day')
  now += day
  t.equal(await ask('GET', '/users/auth', { as: ann }), 200)
  t.same(kinds(), [], 'a log-in is no pull')
  t.equal(await ask('GET', '/syncs/progress/abc', { as: ann }), 200)
  t.match(kinds(), [{ kind: 'onlyPulls', address: '127.0.0.1', count: 4 }])
  t.same(events.counts(), { [account.id]: 1 })
  t.equal(await ask('PUT', '/syncs/progress', { as: ann, body: json(position) }), 200)
  t.same(kinds(), [])
})
