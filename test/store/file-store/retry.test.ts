import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { FileStore } from '../../../src/store/file-store/file-store.ts'
import { byName } from '../by-name.ts'
import { pushed } from '../contract.ts'
import { removeFoldersLast } from '../../folders-last.ts'

removeFoldersLast(t)

interface Timer {
  due: number
  ring: () => void
}

/** Milliseconds until a checkpoint. */
const oldest = 600_000

/** Timers that ring when they are told to, the earliest first; those of checkpoints never ring. */
function handTimers(t: Test): { now: () => number; set: number[]; ringNext: () => Promise<void> } {
  let now = 0
  const set: number[] = []
  const timers: Timer[] = []
  t.intercept(globalThis, 'setTimeout', {
    value: (ring: () => void, ms: number): Timer => {
      const timer = { due: now + ms, ring }
      if (ms === oldest) return timer
      set.push(ms)
      timers.push(timer)
      return timer
    },
  })
  t.intercept(globalThis, 'clearTimeout', {
    value: (timer?: Timer) => timer && timers.includes(timer) && timers.splice(timers.indexOf(timer), 1),
  })
  const ringNext = async (): Promise<void> => {
    while (timers.length === 0) await sleep(1)
    const [next] = timers.toSorted((one, other) => one.due - other.due)
    timers.splice(timers.indexOf(next!), 1)
    now = next!.due
    next!.ring()
  }
  return { now: () => now, set, ringNext }
}

const newest = async (dir: string): Promise<number> =>
  Number.parseInt((await readdir(join(dir, '.wal'))).toSorted().at(-1) ?? '', 10)

t.test('what cannot be written is tried again less and less often, and told once a minute', async (t) => {
  const dir = t.testdir({})
  const { now, set, ringNext } = handTimers(t)
  const damage: { error: Error; at: number }[] = []
  const onDamage = (error: unknown): unknown => damage.push({ error: error as Error, at: now() })
  const store = await FileStore.open({ dir, history: true, onDamage, now })
  t.teardown(() => store.close())
  for (const username of ['ann', 'bob']) await store.createUser({ username, key: 'K' })
  await writeFile(join(dir, 'ann', 'history'), '')
  await byName(store).putProgress('ann', pushed)
  await byName(store).putProgress('ann', { ...pushed, document: 'other' })
  for (let round = 0; round < 9; round++) await ringNext()
  while (set.length < 10) await sleep(1)
  t.same(set, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
  t.same(
    damage.map(({ at }) => at),
    [500, 63_500, 123_500, 183_500],
  )
  const cure = / Its pushes are kept .* To mend it: kss check --repair, or move away what is in its place\.$/
  for (const { error } of damage) {
    t.match(error, { code: 'ENOTDIR', message: /^Cannot write \S+\/ann\/abc\.json: ENOTDIR: not a directory, / })
    t.match(error.message, cure)
  }

  await byName(store).putProgress('bob', pushed)
  t.equal(set.at(-1), 500, 'others do not wait for it')
  await ringNext()
  while (set.length < 12) await sleep(1)
  t.match(JSON.parse(await readFile(join(dir, 'bob', 'abc.json'), 'utf8')), pushed)
  t.equal(set.at(-1), 59_500, 'nor is it tried with them')
  await t.rejects(byName(store).putProgress('ann', pushed), { code: 'ENOTDIR' })

  await rm(join(dir, 'ann', 'history'))
  await ringNext()
  t.equal(await store.admin.flush(), true)
  t.match(await byName(store).listHistory('ann', 'abc'), [pushed])
  t.match(await byName(store).putProgress('ann', { ...pushed, progress: 'more' }), { progress: 'more' })
})

t.test('while a full log waits for its retry, pushes are refused and no segment is begun', async (t) => {
  const dir = t.testdir({})
  const { now, set, ringNext } = handTimers(t)
  const store = await FileStore.open({ dir, history: true, onDamage: () => undefined, now, logMaxBytes: 100_000 })
  t.teardown(() => store.close())
  await store.createUser({ username: 'ann', key: 'K' })
  const documents = Array.from({ length: 500 }, (_, number) => `${number}`)
  await writeFile(join(dir, 'ann', 'history'), '')
  await Promise.all(documents.map((document) => byName(store).putProgress('ann', { ...pushed, document })))
  await ringNext()
  while (set.length < 2) await sleep(1)
  await t.rejects(byName(store).putProgress('ann', { ...pushed, document: 'x' }), { code: 'ENOTDIR' })
  const number = await newest(dir)
  await t.rejects(byName(store).putProgress('ann', { ...pushed, document: 'y' }), { code: 'ENOTDIR' })
  t.equal(await newest(dir), number)
  await rm(join(dir, 'ann', 'history'))
})
