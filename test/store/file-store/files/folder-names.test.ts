import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { countUserFolders } from '../../../../src/store/file-store/files/folder-names.ts'
import { RawUserFolders } from '../../../../src/store/file-store/files/raw-names.ts'

t.test('folders that may be users’ are counted, up to one more than a limit', async (t) => {
  const dir = t.testdir({ ann: {}, bob: {}, carl: {}, '.wal': {}, 'lost+found': {}, file: '' })
  await symlink('ann', join(dir, 'dora'))
  t.equal(await countUserFolders(dir, 10), 4)
  t.equal(await countUserFolders(dir, 4), 4)
  t.equal(await countUserFolders(dir, 2), 3)
  t.equal(await countUserFolders(dir, 0), 1)
  await t.rejects(countUserFolders(join(dir, 'absent'), 1), { code: 'ENOENT' })
})

t.test('whether an older kss made a folder under a raw name is found out once', async (t) => {
  const dir = t.testdir({ Alice: {}, 'a b': {}, '%41nn': {}, [`~${'0'.repeat(64)}`]: {} })
  const raw = new RawUserFolders(dir)
  for (const name of ['Alice', 'a b']) t.equal(await raw.has(name), true, name)
  for (const name of ['ALICE', 'alice', 'A b', '../x', 'Bob']) t.equal(await raw.has(name), false, name)
  for (const name of ['%41nn', `~${'0'.repeat(64)}`]) t.equal(await raw.has(name), true, 'the name inside tells')
  t.testdir({ Bob: {} })
  t.equal(await raw.has('Bob'), false)
})

t.test('a state directory that cannot be listed is listed again at the next question', async (t) => {
  const dir = join(t.testdirName, 'state')
  const raw = new RawUserFolders(dir)
  await t.rejects(raw.has('Alice'), { code: 'ENOENT' })
  t.testdir({ state: { Alice: {} } })
  t.equal(await raw.has('Alice'), true)
})
