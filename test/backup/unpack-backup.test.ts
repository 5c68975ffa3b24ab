import { createReadStream } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { archiveLimits, type ArchiveLimits } from '../../src/backup/archive-limits.ts'
import { unpackBackup } from '../../src/backup/unpack-backup.ts'
import { writeEntries, type Entry } from '../commands/archives.ts'

/** Unpacks these entries into the folder; resolves to what was left out. */
async function unpack(
  t: Test,
  folder: string,
  entries: Entry[],
  limits: Partial<ArchiveLimits>,
  unpackArchive = unpackBackup,
): Promise<string[]> {
  const archive = join(t.testdirName, 'kss.tar.gz')
  await writeEntries(archive, entries)
  const leftOut: string[] = []
  await unpackArchive(createReadStream(archive), folder, {
    signal: new AbortController().signal,
    onDamage: (error) => leftOut.push((error as Error).message),
    limits: { ...archiveLimits, ...limits },
  })
  return leftOut
}

const auth: Entry = ['ann/auth.json', '{}']
const unwanted = Array.from({ length: 3 }, (_, number): Entry => [`.x/${number}`, 'x'])

t.test('an archive that is larger than any backup is refused', async (t) => {
  const cases: [string, Entry[], Partial<ArchiveLimits>, string][] = [
    ['files', [auth, ['ann/a.json', ''], ['ann/b.json', '']], { entries: 2 }, 'it has over 2 files'],
    ['files that are not unpacked', [auth, ...unwanted], { entries: 3 }, 'it has over 3 files'],
    ['bytes', [auth, ['ann/a.json', 'x'.repeat(5000)]], { bytes: 4096 }, 'it needs more than 4,096 bytes of the disk'],
    [
      'bytes that are not unpacked',
      [auth, ['.x/y', 'x'.repeat(5000)]],
      { bytes: 4096 },
      'it needs more than 4,096 bytes of the disk',
    ],
    ['a manifest', [['kss-backup.json', ' '.repeat(101)], auth], { manifest: 100 }, 'its kss-backup.json is too large'],
  ]
  for (const [name, entries, limits, message] of cases) {
    const folder = t.testdir({ state: {} })
    await t.rejects(unpack(t, join(folder, 'state'), entries, limits), { message }, name)
  }
})

t.test('an archive that needs more than half of what is free on the disk is refused', async (t) => {
  const small = { bavail: 4, bsize: 4096 }
  const disk = { 'node:fs/promises': { ...fs, statfs: async () => small } }
  const module = '../../src/backup/unpack-backup.ts'
  const { unpackBackup: unpackThere } = await t.mockImport<{ unpackBackup: typeof unpackBackup }>(module, disk)
  const place: Entry = ['ann/a.json', '{}']
  for (const [entries, message] of [
    [[auth, ['ann/a.json', 'x'.repeat(10_000)]], 'it needs more than 8,192 bytes of the disk'],
    [[auth, place, ['ann/b.json', '']], 'it has over 2 files'],
  ] satisfies [Entry[], string][]) {
    const folder = t.testdir({ state: {} })
    await t.rejects(unpack(t, join(folder, 'state'), entries, {}, unpackThere), { message })
  }
  t.same(await unpack(t, join(t.testdir({ state: {} }), 'state'), [auth, place], {}, unpackThere), [])
})

t.test('a file that is larger than kss makes it is left out, and told', async (t) => {
  const folder = join(t.testdir({ state: {} }), 'state')
  const entries: Entry[] = [
    auth,
    ['ann/good.json', 'x'.repeat(100)],
    ['ann/bad.json', 'x'.repeat(101)],
    ['ann/history/good.jsonl', 'x'.repeat(200)],
    ['ann/history/bad.jsonl', 'x'.repeat(201)],
    ['.journal/1.log', 'x'.repeat(200)],
    ['.journal/2.log', 'x'.repeat(101)],
    ['.registration.json', 'x'.repeat(101)],
  ]
  const leftOut = await unpack(t, folder, entries, { record: 100, history: 200, log: 300 })
  const bad = ['ann/bad.json', 'ann/history/bad.jsonl', '.journal/2.log', '.registration.json']
  t.same(
    leftOut,
    bad.map((name) => `${name}: is too large`),
  )
  for (const name of bad) await t.rejects(fs.access(join(folder, name)), { code: 'ENOENT' }, name)
  t.equal((await fs.readFile(join(folder, 'ann', 'good.json'))).length, 100)
  t.equal((await fs.readFile(join(folder, 'ann', 'history', 'good.jsonl'))).length, 200)
  t.equal((await fs.readFile(join(folder, '.journal', '1.log'))).length, 200)
})

t.test('two accounts whose folders are one where case folds do not become one', async (t) => {
  // As on such a disk, the folder of the second is there already.
  const folder = join(t.testdir({ state: { Ann: { 'auth.json': 'hers' } } }), 'state')
  const leftOut = await unpack(
    t,
    folder,
    [auth, ['bob/auth.json', '{}'], ['Ann/auth.json', '{}'], ['Ann/a.json', '{}']],
    {},
  )
  const reason = "would be in another account's folder here, where case does not count"
  t.same(leftOut, [`Ann/auth.json: ${reason}`, `Ann/a.json: ${reason}`])
  t.same((await fs.readdir(folder)).toSorted(), ['Ann', 'ann', 'bob'])
  t.same(await fs.readdir(join(folder, 'Ann')), ['auth.json'])
  t.equal(await fs.readFile(join(folder, 'Ann', 'auth.json'), 'utf8'), 'hers')
})

t.test('a name that the disk does not take is left out, and nothing else', async (t) => {
  const writeFile = async (path: string, ...rest: unknown[]): Promise<void> => {
    if (path.includes('?')) throw Object.assign(new Error('EINVAL'), { code: 'EINVAL', errno: -22, syscall: 'open' })
    await (fs.writeFile as (...args: unknown[]) => Promise<void>)(path, ...rest)
  }
  const module = '../../src/backup/unpack-backup.ts'
  const disk = { 'node:fs/promises': { ...fs, writeFile } }
  const { unpackBackup: unpackThere } = await t.mockImport<{ unpackBackup: typeof unpackBackup }>(module, disk)
  const folder = join(t.testdir({ state: {} }), 'state')
  const leftOut = await unpack(t, folder, [auth, ['ann/a?.json', '{}'], ['ann/b.json', '{}']], {}, unpackThere)
  t.same(leftOut, ['ann/a?.json: cannot be a file here (EINVAL)'])
  t.same((await fs.readdir(join(folder, 'ann'))).toSorted(), ['auth.json', 'b.json'])
})
