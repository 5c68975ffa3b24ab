import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { repairFolder, repairTop } from '../../src/check/repair.ts'
import { scanFolder, scanTop } from '../../src/check/scan.ts'

/** With the files, for nobody else. */
async function make(t: Test, files: Record<string, string>): Promise<string> {
  const dir = t.testdir({})
  await chmod(dir, 0o700)
  for (const [path, text] of Object.entries(files)) {
    const folder = join(dir, path, '..')
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(join(dir, path), text, { mode: 0o600 })
  }
  return dir
}

const auth = '{"x-auth-user":"ann","x-auth-key":"k"}'

const whole = {
  'ann/auth.json': auth,
  'ann/audiobookshelf/abc.json': '{}',
  'ann/audiobookshelf/_log.jsonl': '{"torn',
  '.audiobookshelf/settings.json': '{}',
  '.audiobookshelf/outbox/0.json': '{}',
  '.audiobookshelf/books/1.json': '{}',
}

t.test('finds nothing in what the Audiobookshelf bridge writes', async (t) => {
  const dir = await make(t, whole)
  t.same(await scanTop(dir), [])
  t.same(await scanFolder(dir, 'ann'), [])
})

t.test('sets aside what is no JSON, and tells of what is not known', async (t) => {
  const dir = await make(t, {
    ...whole,
    'ann/audiobookshelf/abc.json': '{',
    'ann/audiobookshelf/note.txt': '',
    '.audiobookshelf/outbox/0.json': '',
    '.audiobookshelf/other': '',
  })
  t.same(
    (await scanFolder(dir, 'ann')).map(({ path, problem }) => [path, problem]),
    [
      ['ann/audiobookshelf/abc.json', 'is no JSON'],
      ['ann/audiobookshelf/note.txt', 'is nothing that kss knows'],
    ],
  )
  t.same(
    (await scanTop(dir)).map(({ path }) => path),
    ['.audiobookshelf/other', '.audiobookshelf/outbox/0.json'],
  )
  await repairFolder(dir, 'ann')
  await repairTop(dir)
  t.notOk((await readdir(join(dir, 'ann', 'audiobookshelf'))).includes('abc.json'))
  t.notOk((await readdir(join(dir, '.audiobookshelf', 'outbox'))).includes('0.json'))
})

t.test('finds files in the places of its folders, and folders in those of its files', async (t) => {
  const dir = await make(t, {
    'ann/auth.json': auth,
    'ann/audiobookshelf': '',
    '.audiobookshelf/outbox': '',
    '.audiobookshelf/settings.json/x': '',
    '.audiobookshelf/books/a.jsonl/x': '',
  })
  t.match(await scanFolder(dir, 'ann'), [{ path: 'ann/audiobookshelf', problem: 'is not a folder' }])
  t.match(
    (await scanTop(dir)).map(({ path, problem }) => `${path} ${problem}`),
    [
      '.audiobookshelf/books/a.jsonl is not a file',
      '.audiobookshelf/outbox is not a folder',
      '.audiobookshelf/settings.json is not a file',
    ],
  )
  const other = await make(t, { '.audiobookshelf': '' })
  t.match(await scanTop(other), [{ path: '.audiobookshelf', problem: 'is not a folder' }])
})
