import * as fsPromises from 'node:fs/promises'
import { readdir } from 'node:fs/promises'
import t from 'tap'
import type { UserFiles } from '../../../src/store/file-store/user-files.ts'

t.test('a full disk creates nobody, and leaves nothing behind', async (t) => {
  const mkdir = async (): Promise<never> => {
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 })
  }
  const mocks = { 'node:fs/promises': { ...fsPromises, mkdir } }
  const mocked = await t.mockImport<{ UserFiles: typeof UserFiles }>(
    '../../../src/store/file-store/user-files.ts',
    mocks,
  )
  const dir = t.testdir({})
  await t.rejects(
    new mocked.UserFiles(dir).create({ username: 'ann', key: 'K' }, async () => undefined),
    { code: 'ENOSPC' },
  )
  t.same(await readdir(dir), [])
})
