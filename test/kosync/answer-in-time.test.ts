import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import { createAnswerInTime } from '../../src/kosync/answer-in-time.ts'
import { FileStore } from '../../src/store/file-store/file-store.ts'
import { removeFoldersLast } from '../folders-last.ts'
import { build, buildReader, position, Reader } from '../helper.ts'
import { faultyDisk } from '../store/file-store/faulty-disk.ts'
import { until } from '../until.ts'

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
  let time = 0
  let looks = 0
  const hooks = createAnswerInTime(5, () => {
    looks++
    return time
  })
  const app = Fastify()
  t.teardown(() => app.close())
  app.put('/quick', hooks, async () => 'done')
  app.put('/slow', hooks, () => new Promise(() => undefined))
  const { body } = await app.inject({ method: 'PUT', url: '/quick' })
  t.equal(body, 'done')
  time = 3
  let isAnswered = false
  const slow = app.inject({ method: 'PUT', url: '/slow' }).finally(() => (isAnswered = true))
  await until(() => looks >= 4)
  t.equal(isAnswered, false, 'not when the time of the one before is over')
  time = 8
  t.match((await slow).json(), { message: unavailable.message })
})
