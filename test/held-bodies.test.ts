import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { keyOfPassword } from '../src/kosync/credentials.ts'
import { FileStore } from '../src/store/file-store/file-store.ts'
import { removeFoldersLast } from './folders-last.ts'
import { build, position } from './helper.ts'
import { adminByName, accountOf, usernamesOf } from './store/by-name.ts'

removeFoldersLast(t)

const ann = { username: 'ann', key: keyOfPassword('of ann') }
const auth = { hashKeys: false, scryptCost: 8, loginFailuresPerMinute: 0, registrationsPerHour: 0 }

/** What happens to the account between the headers of a request and its body; what the answer is then. */
const events: Record<string, { happen: (store: FileStore) => Promise<unknown>; isGone: boolean }> = {
  'is deleted': { happen: async (store) => store.deleteUser(await accountOf(store, 'ann')), isGone: true },
  'is deleted, and somebody else registers the name': {
    happen: async (store) => {
      await store.deleteUser(await accountOf(store, 'ann'))
      await store.createUser({ username: 'ann', key: 'of somebody else' })
    },
    isGone: true,
  },
  'is deleted, and registered again with the same password': {
    happen: async (store) => {
      await store.deleteUser(await accountOf(store, 'ann'))
      await store.createUser(ann)
    },
    isGone: true,
  },
  'is renamed': { happen: (store) => adminByName(store).renameUser('ann', 'anna'), isGone: true },
  'is renamed, and somebody else registers the name': {
    happen: async (store) => {
      await adminByName(store).renameUser('ann', 'anna')
      await store.createUser({ username: 'ann', key: 'of somebody else' })
    },
    isGone: true,
  },
  'gets another password': {
    happen: async (store) => store.setKey(await accountOf(store, 'ann'), 'another'),
    isGone: false,
  },
  'is disabled': { happen: (store) => adminByName(store).setDisabled('ann', true), isGone: false },
  'is disabled and enabled again': {
    happen: async (store) => {
      await adminByName(store).setDisabled('ann', true)
      await adminByName(store).setDisabled('ann', false)
    },
    isGone: false,
  },
}

/** Each route that waits for a body: what it would do to the account. */
const routes = {
  'PUT /syncs/progress': JSON.stringify({ ...position, progress: 'of the held request' }),
  'PUT /users/password': JSON.stringify({ password: 'of the held request' }),
  'DELETE /users/me': '{}',
}

for (const [event, { happen, isGone }] of Object.entries(events)) {
  for (const [route, body] of Object.entries(routes)) {
    t.test(`${route} changes nothing when the account ${event} before its body comes`, async (t) => {
      const { store, send } = await open(t)
      const held = await send(route, ann, body)
      await happen(store)
      const before = await stateOf(store)
      const status = route === 'DELETE /users/me' && isGone ? 404 : 401
      t.match(await held.finish(), new RegExp(`^HTTP/1.1 ${status} `))
      t.same(await stateOf(store), before)
    })
  }
}

for (const [route, body] of Object.entries(routes)) {
  t.test(`${route} goes on when the account only gets a better hash of the same password`, async (t) => {
    const { store, send } = await open(t)
    const held = await send(route, ann, body)
    await store.upgradeKey(await accountOf(store, 'ann'), ann.key, '$scrypt$a better one')
    t.match(await held.finish(), /^HTTP\/1.1 200 /)
  })
}

t.test('what reads does not wait for a body, and answers for the account that was verified', async (t) => {
  const { send } = await open(t)
  for (const route of ['GET /users/auth', 'GET /syncs/progress/abc']) {
    t.match(await (await send(route, ann, '')).finish(), /^HTTP\/1.1 200 /, route)
  }
})

t.test('a registration that is held back gets the name only if nobody took it meanwhile', async (t) => {
  const { store, send } = await open(t)
  const held = await send('POST /users/create', undefined, JSON.stringify({ username: 'bob', password: 'held' }))
  await store.createUser({ username: 'bob', key: 'of bob' })
  t.match(await held.finish(), /^HTTP\/1.1 402 /)
  t.match(await store.getUser('bob'), { key: 'of bob' })
})

t.test('the health check needs no account', async (t) => {
  const { store, send } = await open(t)
  const held = await send('GET /healthcheck', undefined, '')
  await store.deleteUser(await accountOf(store, 'ann'))
  t.match(await held.finish(), /^HTTP\/1.1 200 /)
})

interface Held {
  /** Sends the body; resolves to the whole answer. */
  finish: () => Promise<string>
}

/** A server with ann's account and one position. */
async function open(t: Test) {
  const store = await FileStore.open({ dir: t.testdir({}), history: true, onDamage: (error) => t.fail(String(error)) })
  const app = build(t, { store, auth })
  t.teardown(() => store.close())
  await store.createUser(ann)
  await store.putProgress(await accountOf(store, 'ann'), { ...position, timestamp: 1000 })
  // It runs when the request is authorized, before its body is read.
  let authorized: () => void = () => undefined
  app.addHook('preParsing', async () => authorized())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo

  async function send(route: string, who: typeof ann | undefined, body: string): Promise<Held> {
    const reached = new Promise<void>((resolve) => {
      authorized = resolve
    })
    const socket = connect(port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    let answer = ''
    socket.on('data', (chunk) => (answer += String(chunk)))
    const head = [
      `${route} HTTP/1.1`,
      'Host: kss',
      'Connection: close',
      ...(who ? [`x-auth-user: ${who.username}`, `x-auth-key: ${who.key}`] : []),
      `Content-Length: ${body.length}`,
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n`)
    await reached
    const finish = async (): Promise<string> => {
      socket.write(body)
      if (!socket.closed) await once(socket, 'close')
      return answer
    }
    return { finish }
  }
  return { store, send }
}

/** All accounts, and where each of them reads. */
async function stateOf(store: FileStore): Promise<unknown[]> {
  const usernames = (await usernamesOf(store)).toSorted()
  return await Promise.all(
    usernames.map(async (username) => {
      const { account, key, disabled } = (await store.getUser(username))!
      return { account, key, disabled, record: await store.getProgress(account, 'abc') }
    }),
  )
}
