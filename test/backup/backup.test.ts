import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readFormat } from '../../src/store/file-store/files/format.ts'
import { backupFiles, writeArchive, type ArchivedFile } from '../../src/backup/backup.ts'

const tree = {
  '.registration.json': '{}',
  'a file': '',
  ann: { 'auth.json': '1', 'abc.json': '2', '.tmp-x': '', history: { 'abc.jsonl': '3' } },
  bob: { 'auth.json': '4' },
}

/** The names in an archive of the folder; `onFile` is called before the next one is read. */
async function namesOf(dir: string, only?: string[], onFile?: (name: string) => Promise<void>): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of backupFiles(dir, undefined, only)) {
    names.push(name)
    await onFile?.(name)
  }
  return names
}

t.test('an archive has the files of users, a history after its record, and nothing else', async (t) => {
  const names = await namesOf(t.testdir(tree))
  const ofUsers = ['ann/abc.json', 'ann/auth.json', 'ann/history/abc.jsonl', 'bob/auth.json']
  t.same(names.slice(1).toSorted(), ['.registration.json', ...ofUsers])
  t.equal(names[0], 'kss-backup.json')
  t.ok(names.indexOf('ann/history/abc.jsonl') > names.indexOf('ann/abc.json'))
})

t.test('an archive has what the Audiobookshelf bridge keeps of users, and none of its keys', async (t) => {
  const bridge = { '_links.json': '{}', '_log.jsonl': '', 'abc.json': '{}' }
  const top = {
    'settings.json': '{"AUDIOBOOKSHELF_API_KEY":"secret"}',
    outbox: { 'a.json': '{}' },
    books: { 'b.json': '{}' },
  }
  const names = await namesOf(
    t.testdir({ ...tree, ann: { ...tree.ann, audiobookshelf: bridge }, '.audiobookshelf': top }),
  )
  t.same(
    names.filter((name) => name.includes('audiobookshelf')).toSorted(),
    ['_links.json', '_log.jsonl', 'abc.json'].map((name) => `ann/audiobookshelf/${name}`),
  )
})

t.test('an archive has only the folders that are asked for', async (t) => {
  t.same(await namesOf(t.testdir(tree), ['bob', 'carl']), ['kss-backup.json', 'bob/auth.json'])
})

t.test('what goes while the archive is made is left out', async (t) => {
  const dir = t.testdir(tree)
  const names = await namesOf(dir, undefined, async (name) => {
    if (!name.startsWith('ann/')) return
    await rm(join(dir, 'ann'), { recursive: true, force: true })
    await rm(join(dir, 'bob'), { recursive: true, force: true })
  })
  t.equal(names.length, 3)
})

t.test('it is told how many folders are in it', async (t) => {
  const told: [number, number][] = []
  for await (const _ of backupFiles(t.testdir(tree), (done, total) => told.push([done, total]))) continue
  t.same(told, [
    [1, 2],
    [2, 2],
  ])
})

t.test('an archive that fails half-way leaves nothing behind', async (t) => {
  const dir = t.testdir({})
  const files = async function* (): AsyncGenerator<ArchivedFile> {
    yield { name: 'ann/auth.json', bytes: Buffer.alloc(1e6), mtime: new Date() }
    throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
  }
  await t.rejects(writeArchive(files(), join(dir, 'kss.tar.gz')), { code: 'EIO' })
  t.same(await readdir(dir), [])
})

t.test('a directory that another one takes the place of, as when a disk is taken out, gives no archive', async (t) => {
  const dir = t.testdir({ state: tree, target: {} })
  const state = join(dir, 'state')
  const files = async function* (): AsyncGenerator<ArchivedFile> {
    for await (const file of backupFiles(state)) {
      yield file
      if (!file.name.startsWith('ann/')) continue
      await rename(state, join(dir, 'away'))
      await mkdir(state)
    }
  }
  const archived = writeArchive(files(), join(dir, 'target', 'kss.tar.gz'))
  await t.rejects(archived, { code: 'FOLDER_REPLACED' })
  t.same(await readdir(join(dir, 'target')), [])
})

t.test('a user who gets another name while the archive is made is in it', async (t) => {
  const dir = t.testdir({ ann: { 'auth.json': '1' }, zoe: { 'auth.json': '2' } })
  const names = await namesOf(dir, undefined, async (name) => {
    if (name === 'ann/auth.json') await rename(join(dir, 'zoe'), join(dir, 'alf'))
  })
  t.same(names, ['kss-backup.json', 'ann/auth.json', 'alf/auth.json'])
})

t.test('what mkfs left at the top of a disk is nobody’s', async (t) => {
  const dir = t.testdir({ 'lost+found': { x: '' } })
  t.same(await namesOf(dir), ['kss-backup.json'])
  t.equal(await readFormat(dir), undefined)
})
