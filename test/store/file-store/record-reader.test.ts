import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Progress } from '../../../src/kosync/protocol.ts'
import { threadReads } from '../../../src/store/file-store/files/file-reads.ts'
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
  const reader = new RecordReader({ pendingRecords: () => pending }, { ...threadReads, text }, keeps)
  const list = async (): Promise<unknown[]> => {
    const places: unknown[] = []
    for await (const { record, problem } of reader.readEach(folder, names)) places.push(problem ?? record?.progress)
    return places
  }
  return { folder, read, pending, list }
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

t.test('a file that is no record any more is told each time, and its earlier record is not shown', async (t) => {
  const { folder, list } = open(t)
  await list()
  writeFileSync(join(folder, 'a.json'), '{')
  for (let times = 0; times < 2; times += 1) {
    t.match(await list(), [{ message: /is not JSON/ }, '56', '56'])
  }
})
