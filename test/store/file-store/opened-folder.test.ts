import { mkdir, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { OpenedFolder } from '../../../src/store/file-store/opened-folder.ts'

t.test('a folder is the opened one as long as its path leads to it', async (t) => {
  const dir = join(t.testdir({ state: {} }), 'state')
  const told: unknown[] = []
  const folder = new OpenedFolder(dir, (error) => told.push(error))
  await folder.check()
  await rename(dir, `${dir}-away`)
  await t.rejects(folder.check(), { code: 'FOLDER_REPLACED' }, 'there is none')
  await mkdir(dir)
  await t.rejects(folder.check(), { code: 'FOLDER_REPLACED' }, 'there is another one')
  t.equal(await folder.isInPlace(), false)
  await rm(dir, { recursive: true })
  await symlink(dir, dir)
  await t.rejects(folder.check(), { code: 'ELOOP' }, 'the disk cannot say')
  t.equal(told.length, 2)
  await rm(dir)
  await symlink(`${dir}-away`, dir)
  await folder.check()
})
