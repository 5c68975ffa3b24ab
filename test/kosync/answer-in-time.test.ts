import { join } from 'node:path'
import t from 'tap'
import type { Progress } from '../../src/kosync/protocol.ts'
import { FileStore } from '../../src/store/file-store/file-store.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { removeFoldersLast } from '../folders-last.ts'
import { build, buildReader, position, Reader } from '../helper.ts'
import { faultyDisk } from '../store/file-store/faulty-disk.ts'

removeFoldersLast(t)

const unavailable = { code: 503, message: 'The server cannot do this now. Try again later.' }

for (const [what, change, isDone] of [
  [
    'a push',
    (reader: Reader) => reader.update(position),
    async (reader: Reader) => (await reader.get(position.document)).body.includes(position.progress),
  ],
  [
    'a registration',
    ({ app }: Reader) => new Reader(app, 'bob').register(),
    async ({ app }: Reader) => (await new Reader(app, 'bob').authorize()).statusCode === 200,
  ],
  [
    'a change of a password',
    ({ app, headers }: Reader) =>
      app.inject({ method: 'PUT', url: '/users/password', headers, body: { password: 'other' } }),
    async (reader: Reader) => (await reader.authorize()).statusCode === 401,
  ],
  [
    'a deletion',
    ({ app, headers }: Reader) => app.inject({ method: 'DELETE', url: '/users/me', headers }),
    async (reader: Reader) => (await reader.authorize()).statusCode === 401,
  ],
] as const) {
  t.test(`${what} that the disk holds up is answered with 503 in time, and may be stored later`, async (t) => {
    const dir = join(t.testdir({ state: {} }), 'state')
    const disk = faultyDisk(t)
    const store = await FileStore.open({ dir, history: true, onDamage: (error) => t.fail(String(error)) })
    t.teardown(() => store.close())
    const auth = { hashKeys: false, scryptCost: 14, loginFailuresPerMinute: 0, registrationsPerHour: 0 }
    const reader = await buildReader(t, { store, auth })
    const hurried = new Reader(build(t, { store, auth, patience: 300 }))
    const release = disk.hold('sync', /./)
    const reply = await change(hurried)
    t.equal(reply.statusCode, 503)
    t.same(reply.json(), unavailable)
    t.equal(reply.headers['content-type'], 'application/json')
    release()
    while (!(await isDone(reader))) await new Promise(setImmediate)
  })
}

t.test('each change has its own time, whenever the one before it came', async (t) => {
  let isSlow = false
  let goOn = (): void => undefined
  class Slow extends MemoryStore {
    override async putProgress(...args: Parameters<MemoryStore['putProgress']>): Promise<Progress> {
      if (isSlow) await new Promise<void>((resolve) => (goOn = resolve))
      return await super.putProgress(...args)
    }
  }
  const patience = 500
  const reader = await buildReader(t, { store: new Slow(), patience })
  t.equal((await reader.update(position)).statusCode, 200)
  isSlow = true
  const before = performance.now()
  t.equal((await reader.update(position)).statusCode, 503)
  t.ok(performance.now() - before > patience - 2, 'not before its time')
  goOn()
})
