import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { appendUnflushed, replaceFile, syncFolder } from '../src/durable.ts'

t.test('a file is replaced whole, by a new one', async (t) => {
  const dir = t.testdir({ a: 'old' })
  const path = join(dir, 'a')
  const before = await stat(path)
  const stats = await replaceFile(path, 'new')
  t.equal(await readFile(path, 'utf8'), 'new')
  t.not(stats.ino, before.ino)
  t.equal((await stat(path)).ino, stats.ino)
  t.equal(stats.mode & 0o777, 0o600)
  t.same(await readdir(dir), ['a'])
})

t.test('a link is replaced, what it points to stays', async (t) => {
  const dir = t.testdir({ target: 'old' })
  await symlink(join(dir, 'target'), join(dir, 'a'))
  await replaceFile(join(dir, 'a'), 'new')
  t.equal(await readFile(join(dir, 'target'), 'utf8'), 'old')
})

t.test('when it fails the temp goes and the old file stays', async (t) => {
  const dir = t.testdir({ a: { b: '' } })
  await t.rejects(replaceFile(join(dir, 'a'), 'new'), { code: 'EISDIR' })
  t.same(await readdir(dir), ['a'])
  await t.rejects(replaceFile(join(dir, 'none', 'a'), 'new'), { code: 'ENOENT' })
})

t.test('lines go to the end, and make file and folder when they are not there', async (t) => {
  const dir = t.testdir({})
  const path = join(dir, 'history', 'a')
  await appendUnflushed(path, '1\n')
  await appendUnflushed(path, '2\n3\n')
  t.equal(await readFile(path, 'utf8'), '1\n2\n3\n')
  t.equal((await stat(path)).mode & 0o777, 0o600)
  t.equal((await stat(join(dir, 'history'))).mode & 0o777, 0o700)
})

t.test('many first lines at once make one folder', async (t) => {
  const history = join(t.testdir({}), 'history')
  const names = Array.from({ length: 20 }, (_, at) => `document-${at}`)
  await Promise.all(names.map((name) => appendUnflushed(join(history, name), '1\n')))
  t.same(new Set(await readdir(history)), new Set(names))
})

t.test('a line that a crash tore is ended before the next', async (t) => {
  const dir = t.testdir({ a: '1\n{"torn' })
  await appendUnflushed(join(dir, 'a'), '2\n')
  t.equal(await readFile(join(dir, 'a'), 'utf8'), '1\n{"torn\n2\n')
})

t.test('what can not be opened rejects', async (t) => {
  const dir = t.testdir({})
  await mkdir(join(dir, 'a'))
  await writeFile(join(dir, 'b'), '')
  await t.rejects(appendUnflushed(join(dir, 'a'), '1\n'), { code: 'EISDIR' })
  await t.rejects(appendUnflushed(join(dir, 'x', 'y', 'z'), '1\n'), { code: 'ENOENT' })
  await t.rejects(syncFolder(join(dir, 'none')), { code: 'ENOENT' })
})
