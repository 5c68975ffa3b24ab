import { renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Progress } from '../../../src/kosync/protocol.ts'
import { threadReads, type FileReads } from '../../../src/store/file-store/files/file-reads.ts'
import { RecordReader } from '../../../src/store/file-store/record-reader.ts'
import { pushed } from '../contract.ts'

const names = ['a.json', 'b.json', 'c.json']

/** A folder with three records, and a reader of it that notes which files it reads. */
function open(t: Test, keeps = true) {
  const folder = t.testdir(Object.fromEntries(names.map((name) => [name, JSON.stringify(pushed)])))
  const read: string[] = []
  const pending: { path: string; record: Progress }[] = []
  const text = (path: string): ReturnType<typeof threadReads.text> => {
    read.push(path.slice(-6))
    return threadReads.text(path)
  }
  const looks: string[] = []
  const stat: FileReads['stat'] = (path) => {
    looks.push(path)
    return threadReads.stat(path)
  }
  const clock = { ms: 0 }
  const options = { reads: { ...threadReads, text, stat }, keeps, now: () => clock.ms }
  const reader = new RecordReader({ pendingRecords: () => pending }, options)
  const list = async (): Promise<unknown[]> => {
    const places: unknown[] = []
    for await (const { record, problem } of reader.readEach(folder, names)) places.push(problem ?? record?.progress)
    return places
  }
  return { folder, read, pending, list, looks, clock }
}

t.test('a file is read once, as long as it stays as it is', async (t) => {
  const { read, list } = open(t)
  t.same(await list(), ['56', '56', '56'])
  t.same(read.toSorted(), names)
  t.same(await list(), ['56', '56', '56'])
  t.equal(read.length, 3)
})

t.test('where nothing is kept, each list reads each file', async (t) => {
  const { read, list } = open(t, false)
  await list()
  await list()
  t.equal(read.length, 6)
})

t.test('what was edited, replaced, removed or is newer in the memtable shows at once', async (t) => {
  const { folder, read, pending, list } = open(t)
  await list()
  writeFileSync(join(folder, 'a.json'), JSON.stringify({ ...pushed, progress: 'edited' }))
  writeFileSync(join(folder, 'new'), JSON.stringify({ ...pushed, progress: '57' }))
  renameSync(join(folder, 'new'), join(folder, 'b.json'))
  t.same(await list(), ['edited', '57', '56'])
  t.same(read.slice(3).toSorted(), ['a.json', 'b.json'])
  rmSync(join(folder, 'a.json'))
  pending.push({ path: join(folder, 'c.json'), record: { ...pushed, progress: 'pushed' } })
  t.same(await list(), [undefined, '57', 'pushed'])
})

t.test('while nothing is put into the folder, its files are looked at once a second', async (t) => {
  const { folder, read, list, looks, clock } = open(t)
  // Long ago: of a change just now nobody knows whether another one followed in the same moment.
  const settle = (seconds: number): void => utimesSync(folder, seconds, seconds)
  settle(1000)
  t.same(await list(), ['56', '56', '56'])
  writeFileSync(join(folder, 'a.json'), JSON.stringify({ ...pushed, progress: 'edited' }))
  clock.ms = 800
  looks.length = 0
  t.same(await list(), ['56', '56', '56'])
  t.same(looks, [folder], 'none of the files')
  clock.ms = 1000
  t.same(await list(), ['edited', '56', '56'])
  writeFileSync(join(folder, 'new'), JSON.stringify({ ...pushed, progress: '57' }))
  renameSync(join(folder, 'new'), join(folder, 'b.json'))
  settle(2000)
  t.same(await list(), ['edited', '57', '56'], 'at once, as the folder is another one')
  t.equal(read.length, 5)
})

t.test('a file that is no record any more is told each time, and its earlier record is not shown', async (t) => {
  const { folder, list } = open(t)
  await list()
  writeFileSync(join(folder, 'a.json'), '{')
  for (let times = 0; times < 2; times += 1) {
    t.match(await list(), [{ message: /is not JSON/ }, '56', '56'])
  }
})
