import type { ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { position } from '../helper.ts'
import { moveFrom, type Moving } from './moving.ts'
import { stub, type Stub } from './stub.ts'
import { usernamesOf } from '../store/by-name.ts'

const { document: _document, ...unnamed } = position
const time = 1_600_000_000

/** How a server answers what kss asks, as its source says. */
interface OtherServer {
  /** 200 to /users/auth with the right key. */
  yes: string
  /** 200 to /syncs/progress/abc. */
  found: object
  /** What it answers when it has nothing of the document. */
  nothing: [status: number, body: string]
}

const official = '{"authorized":"OK"}'

const servers: Record<string, OtherServer> = {
  // adammillerio/kss, kss.py
  'Python kss': { yes: official, found: { ...unnamed, timestamp: time }, nothing: [200, '{"document":"def"}'] },
  // jberlyn/kosync-dotnet, Controllers/SyncController.cs
  'kosync-dotnet': {
    yes: '{"username":"ann"}',
    found: position,
    nothing: [502, '{"message":"Document not found on server"}'],
  },
  // AtjonTV/kosync, internal/kosync/api_users.go and api_syncs.go: SendStatus writes the text of the status
  KOsync: {
    yes: 'OK',
    found: { ...position, timestamp: time * 10_000, pretty_name: '' },
    nothing: [404, 'Not Found'],
  },
  // b1n4ryj4n/koreader-sync, koreader-flask.py, which is myelsukov's
  'the server of myelsukov': { yes: official, found: { ...position, timestamp: time }, nothing: [200, 'null\n'] },
  // yeeac/kosyncsrv, handledb.go
  kosyncsrv: {
    yes: official,
    found: position,
    nothing: [200, '{"document":"def","percentage":0,"progress":"","device":"","device_id":""}'],
  },
  // GeorgeSG/KoInsight, apps/server/src/kosync/kosync-router.ts
  KoInsight: {
    yes: official,
    found: { id: 1, user_id: 1, ...position, created_at: 1, updated_at: '2020-09-13T12:26:40.000Z' },
    nothing: [404, '{"error":"Progress not found"}'],
  },
}

/** A server that knows ann and the document abc. */
async function open(t: Test, { yes, found, nothing }: OtherServer): Promise<Stub> {
  return await stub(t, (response, { url }) => {
    if (url === '/users/auth') response.end(yes)
    else if (url === '/syncs/progress/abc') response.end(JSON.stringify(found))
    else response.writeHead(nothing[0]).end(nothing[1])
  })
}

for (const [name, server] of Object.entries(servers)) {
  t.test(`readers of ${name} come over with their positions`, async (t) => {
    const { origin } = await open(t, server)
    const { store, log, reader } = moveFrom(t, origin)
    t.equal((await reader().authorize()).statusCode, 200)
    t.same(await usernamesOf(store), ['ann'])
    const { timestamp, ...rest } = (await reader().get('abc')).json<typeof position & { timestamp: number }>()
    t.same(rest, position)
    t.equal(timestamp, name === 'kosync-dotnet' || name === 'kosyncsrv' ? 1 : time)
    const nothing = await reader().get('def')
    t.same([nothing.statusCode, nothing.json()], [200, {}])
    t.same(
      log.filter(({ level }) => Number(level) > 30),
      [],
    )
  })
}

// crosspoint-reader/crosspoint-sync, src/routes/kosync.ts: GET refuses an id over 64 characters with 403.
t.test('a 403 for one odd id is nothing of that document, and the others come', async (t) => {
  const odd = 'x'.repeat(65)
  const { reader } = await moveFromRefusing(t, 403, odd)
  t.same((await reader().get(odd)).json(), {})
  t.match((await reader().get('abc')).json(), position)
})

t.test('a 401 for a document is about the key, and nothing more is asked with it', async (t) => {
  const { reader, seen } = await moveFromRefusing(t, 401, 'def')
  t.same((await reader().get('def')).json(), {})
  t.same((await reader().get('abc')).json(), {})
  t.equal(seen.length, 2)
})

async function moveFromRefusing(t: Test, status: number, refused: string): Promise<Moving & Stub> {
  const answers = new Map<string | undefined, (response: ServerResponse) => unknown>([
    ['/users/auth', (response) => response.end(official)],
    [`/syncs/progress/${refused}`, (response) => response.writeHead(status).end('{"code":2004}')],
  ])
  const { origin, seen } = await stub(t, (response, { url }) => {
    const answer = answers.get(url)
    if (answer) answer(response)
    else response.end(JSON.stringify(position))
  })
  return { ...moveFrom(t, origin), origin, seen }
}
