import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { FileStore } from '../src/store/file-store/file-store.ts'
import { buildReader, position, Reader } from './helper.ts'
import { removeFoldersLast } from './folders-last.ts'
import { byName } from './store/by-name.ts'

removeFoldersLast(t)

const today = Date.UTC(2026, 10, 20)
const year = 365 * 86_400_000

t.test('a clock that is set a year forward and back harms no position, and nobody is locked out', async (t) => {
  let now = today
  t.intercept(Date, 'now', { value: () => now })
  const dir = t.testdir({})
  const open = () => FileStore.open({ dir, history: true, onDamage: (error) => t.fail(String(error)) })
  const store = await open()
  const auth = { hashKeys: true, scryptCost: 14, loginFailuresPerMinute: 60, registrationsPerHour: 20 }
  const reader = await buildReader(t, { store, auth, now: () => now })
  const push = async (progress: string): Promise<number> => {
    const reply = await reader.update({ ...position, progress })
    t.equal(reply.statusCode, 200, progress)
    return reply.json<{ timestamp: number }>().timestamp * 1000
  }
  const pull = async (): Promise<unknown> => (await reader.get(position.document)).json()

  t.equal(await push('today'), today)
  now = today + year
  t.equal(await push('a year ahead'), today + year)
  await store.admin.flush()
  now = today
  t.match(await pull(), { progress: 'a year ahead' })
  t.equal(await push('back again'), today, 'a time that is a year ahead is not kept up')
  now = today - year
  t.equal(await push('a year behind'), today - year)
  now = today
  t.equal(await push('today again'), today)
  t.match(await pull(), { progress: 'today again', timestamp: today / 1000 })
  await store.close()

  const next = await open()
  t.match(await byName(next).getProgress('ann', position.document), { progress: 'today again' })
  t.equal((await byName(next).listHistory('ann', position.document)).length, 5)
  t.match(JSON.parse(await readFile(join(dir, 'ann', `${position.document}.json`), 'utf8')), {
    progress: 'today again',
  })
  await next.close()
})

t.test('a limit ends in time when the clock is set back', async (t) => {
  let now = today
  t.intercept(Date, 'now', { value: () => now })
  const auth = { hashKeys: true, scryptCost: 14, loginFailuresPerMinute: 0, registrationsPerHour: 1 }
  const reader = await buildReader(t, { auth })
  now = today - year
  const refused = await new Reader(reader.app, 'bob').register()
  t.equal(refused.statusCode, 402)
  t.equal(refused.headers['retry-after'], '3600')
})
