import { constants } from 'node:fs'
import { copyFile, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from '../../../durable.ts'

/** Keeps a copy of the file under a name that nothing reads, durably, before the file is replaced. */
export async function keepCopy(path: string): Promise<void> {
  const copy = `${path}.corrupt-${Date.now()}`
  await copyFile(path, copy, constants.COPYFILE_EXCL)
  const file = await open(copy, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
  await syncFolder(dirname(path))
}
