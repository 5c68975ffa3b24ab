import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import type { Progress } from '../src/kosync/protocol.ts'
import { MemoryStore } from '../src/store/memory-store.ts'
import type { Account, NewUser } from '../src/store/store.ts'
import { build, Reader } from './helper.ts'
import { bodyRows } from './hostile-requests/bodies.ts'
import { chunkRows } from './hostile-requests/chunks.ts'
import { attack, canary } from './hostile-requests/client.ts'
import { fieldRows, takenRows } from './hostile-requests/fields.ts'
import { framingRows } from './hostile-requests/framing.ts'
import { headerRows } from './hostile-requests/headers.ts'
import { logInRows } from './hostile-requests/log-ins.ts'
import { methodRows } from './hostile-requests/methods.ts'
import { notHttpRows } from './hostile-requests/not-http.ts'
import { oddRows } from './hostile-requests/odd.ts'
import { pipelineRows } from './hostile-requests/pipelines.ts'
import type { Row } from './hostile-requests/row.ts'
import { urlRows } from './hostile-requests/urls.ts'

const attacks: Record<string, Row[]> = {
  'bodies that are no JSON object': bodyRows(),
  'fields of the wrong type, or out of bounds': fieldRows(),
  'names that are taken': takenRows(),
  'targets and document ids': urlRows(),
  'methods and versions': methodRows(),
  headers: headerRows(),
  'log-ins': logInRows(),
  'lengths and encodings': framingRows(),
  'requests in a row and in each other': pipelineRows(),
  chunks: chunkRows(),
  'other protocols and noise': notHttpRows(),
}

const oddities = oddRows()

/** Connections at a time: not more than may wait for the hash of a key. */
const atOnce = 24

/** Remembers each change, so that nothing is stored unseen. */
class WatchedStore extends MemoryStore {
  changes: string[] = []

  override async createUser(user: NewUser): Promise<boolean> {
    return this.#note(`create ${user.username}`, await super.createUser(user))
  }

  override async setKey(account: Account, key: string): Promise<void> {
    await super.setKey(account, key)
    this.#note(`replace ${account.username}`, true)
  }

  override async deleteUser(account: Account): Promise<void> {
    await super.deleteUser(account)
    this.#note(`delete ${account.username}`, true)
  }

  override async putProgress(account: Account, pushed: Progress): Promise<Progress> {
    return this.#note(`put ${account.username} ${pushed.document}`, await super.putProgress(account, pushed))
  }

  #note<T>(change: string, done: T): T {
    if (done) this.changes.push(change)
    return done
  }
}

const store = new WatchedStore()
// Hashes that cost little: there are hundreds of log-ins.
const auth = { hashKeys: true, scryptCost: 8, loginFailuresPerMinute: 0, registrationsPerHour: 0 }
const app = build(t, { store, auth })
const ann = new Reader(app)
const { port } = await listen()
await ann.register()
await ann.update(canary)
// Whom a lenient decoder would take bytes for that are no UTF-8.
await new Reader(app, '\ufffd').register()
store.changes = []

for (const [name, rows] of Object.entries(attacks)) {
  t.test(`${name}: ${rows.length} requests are answered as they should be`, (t) => attackAll(t, rows))
}

t.test('a second time, nothing of them stays in memory', async (t) => {
  const rows = Object.values(attacks).flat()
  const before = heapUsed()
  await attackAll(t, rows)
  const perRequest = (heapUsed() - before) / rows.length
  // What Node keeps of one open connection is many times that.
  t.ok(perRequest < 1000, `${Math.round(perRequest)} bytes a request`)
})

// Last, because there are more users then.
t.test(`oddities that are no attack: ${oddities.length} requests are served`, (t) => attackAll(t, oddities))

t.test('there are at least 500 rows, and none twice', async (t) => {
  const rows = [...Object.values(attacks).flat(), ...oddities]
  t.ok(rows.length >= 500, `${rows.length} hostile requests`)
  t.equal(new Set(rows.map((row) => row.bytes)).size, rows.length)
})

t.test('afterwards the server works as before', async (t) => {
  t.match({}, { polluted: undefined })
  t.equal((await ann.authorize()).statusCode, 200)
  t.match((await ann.get(canary.document)).json(), canary)
  const eve = new Reader(app, 'eve')
  t.equal((await eve.register()).statusCode, 201)
  t.equal((await eve.update(canary)).statusCode, 200)
  t.match((await eve.get(canary.document)).json(), canary)
})

async function listen(): Promise<AddressInfo> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app.server.address() as AddressInfo
}

/** Bytes, without what is garbage. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  gc()
  return process.memoryUsage().heapUsed
}

async function attackAll(t: Test, rows: Row[]): Promise<void> {
  const waiting = rows.values()
  const work = async (): Promise<void> => {
    for (const row of waiting) {
      const { answers, problems } = await attack(port, row)
      if (problems.length === 0 && row.expect.includes(answers)) continue
      t.fail(row.name, { expect: row.expect, answers, problems })
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  const expected = rows.flatMap(({ stores }) => stores ?? [])
  t.same(store.changes.splice(0).toSorted(), expected.toSorted(), 'nothing else is stored')
}
