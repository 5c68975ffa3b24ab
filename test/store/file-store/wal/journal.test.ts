import { appendFile, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { Journal } from '../../../../src/store/file-store/wal/journal.ts'
import { faultyDisk } from '../faulty-disk.ts'
import { OpenedFolder } from '../../../../src/store/file-store/opened-folder.ts'
import { journalLine, readJournal } from '../../../../src/store/file-store/wal/read-journal.ts'

const isAnything = (_value: unknown): _value is unknown => true
const line = (what: unknown): string => journalLine(JSON.stringify(what))

async function open(t: Test): Promise<{ dir: string; journal: Journal; read: () => Promise<unknown[]> }> {
  const dir = join(t.testdir({}), '.journal')
  const folder = new OpenedFolder(dirname(dir), (error) => t.fail(String(error)))
  const journal = new Journal(dir, 0, folder)
  t.teardown(() => journal.close(false))
  const read = async () => (await readJournal(dir, isAnything, (error) => t.fail(error))).entries
  return { dir, journal, read }
}

t.test('what was appended is read again, in order, over all files', async (t) => {
  const { journal, read } = await open(t)
  t.same(await read(), [])
  await Promise.all([journal.append(() => line(1) + line(2)), journal.append(() => line('drei\u2028é'))])
  await journal.rotate(() => undefined)
  await journal.append(() => line({ four: 4 }))
  t.same(await read(), [1, 2, 'drei\u2028é', { four: 4 }])
})

t.test('a snapshot is of all that is in the older files, and of nothing that is in the newer ones', async (t) => {
  const { journal, read } = await open(t)
  const published: number[] = []
  const append = (value: number) =>
    journal.append(
      () => line(value),
      () => published.push(value),
    )
  const appended = [append(1), append(2)]
  const rotated = journal.rotate(() => [...published])
  appended.push(append(3))
  const { before, taken } = await rotated
  t.same(taken, [1, 2])
  await Promise.all(appended)
  await journal.dropBefore(before)
  t.same(await read(), [3])
})

t.test('it goes when all it holds is elsewhere, and goes on with the next number', async (t) => {
  const { dir, journal } = await open(t)
  await journal.append(() => line(1))
  await journal.close(false)
  t.same(await readdir(dir), ['0000000001.log'])
  const next = new Journal(dir, 1, journal.folder)
  await next.append(() => line(2))
  t.same(await readdir(dir), ['0000000001.log', '0000000002.log'])
  await next.close(true)
  t.same(await readdir(dir), [])
})

for (const [what, damage] of [
  ['half a line', line({ torn: true }).slice(0, -4)],
  ['zeros', '\0'.repeat(500)],
  ['a line with another checksum', line(1).replace('1\n', '2\n')],
  ['zeros in a line', line({ text: 'xxxxxxxx' }).replace('xxxxxxxx', '\0'.repeat(8))],
  ['bytes that are no UTF-8', Buffer.from([0xff, 0xfe, 0x0a])],
] as const) {
  t.test(`${what} at the end: the lines before it are read, and it is told`, async (t) => {
    const { dir, journal } = await open(t)
    await journal.append(() => line('whole'))
    await appendFile(join(dir, '0000000001.log'), damage)
    const told: Error[] = []
    t.same((await readJournal(dir, isAnything, (error) => told.push(error))).entries, ['whole'])
    t.match(told, [{ code: 'DAMAGED_FILE', message: /0000000001\.log: has a line that a crash tore$/ }])
  })
}

t.test('a file of a busy minute is read whole', async (t) => {
  const { dir, journal, read } = await open(t)
  await journal.append(() => line(0))
  await appendFile(join(dir, '0000000001.log'), line(1).repeat(300_000))
  t.equal((await read()).length, 300_001)
})

t.test('other files in its folder are left alone', async (t) => {
  const { dir, journal, read } = await open(t)
  await journal.append(() => line(1))
  await writeFile(join(dir, 'notes.txt'), 'mine')
  t.same(await read(), [1])
  await journal.close(true)
  t.same(await readdir(dir), ['notes.txt'])
})

t.test('lines in a folder that was removed are not durable; the next ones are, in a new folder', async (t) => {
  const { dir, journal, read } = await open(t)
  await journal.append(() => line(1))
  await rm(dir, { recursive: true })
  await t.rejects(
    journal.append(() => line(2)),
    { code: 'DAMAGED_FILE' },
  )
  await journal.append(() => line(3))
  t.same(await read(), [3])
})

t.test('a number that is taken is passed over', async (t) => {
  const { dir, journal } = await open(t)
  await journal.append(() => line(1))
  await writeFile(join(dir, '0000000002.log'), '')
  await t.rejects(
    journal.rotate(() => undefined),
    { code: 'EEXIST' },
  )
  await journal.append(() => line(2))
  await journal.rotate(() => undefined)
  t.equal(await readFile(join(dir, '0000000001.log'), 'utf8'), line(1) + line(2))
  t.same(await readdir(dir), ['0000000001.log', '0000000002.log', '0000000003.log'])
})

t.test('a file with a line that is no entry is read though it cannot be copied, and that is told', async (t) => {
  const { dir, journal } = await open(t)
  await journal.append(() => line(1) + line('two') + line(3))
  faultyDisk(t).fail('open', /\.corrupt-/, 'ENOSPC')
  const told: Error[] = []
  const isNumber = (value: unknown): value is number => typeof value === 'number'
  t.same((await readJournal(dir, isNumber, (error) => told.push(error))).entries, [1, 3])
  t.match(told, [{ message: /0000000001\.log: has 1 line that is no entry, and cannot be copied: ENOSPC/ }])
})
