import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { SourceError, type ImportedUser, type Source } from '../../src/import/source.ts'

/** All that a source gives. */
export async function collect(source: Source): Promise<{ users: ImportedUser[]; problems: string[] }> {
  const users: ImportedUser[] = []
  const problems: string[] = []
  for await (const item of source) {
    if ('problem' in item) problems.push(item.problem)
    else users.push(item)
  }
  return { users, problems }
}

/** A file of its own with the data; anything but text and bytes is written as JSON. */
export async function write(t: Test, data: unknown, name = `${randomBytes(4).toString('hex')}.json`): Promise<string> {
  const dir = t.testdirName
  await mkdir(dir, { recursive: true })
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const path = join(dir, name)
  await writeFile(path, typeof data === 'string' || data instanceof Uint8Array ? data : JSON.stringify(data))
  return path
}

/** The line that says why there is nothing to read at all. */
export async function failure(source: Source): Promise<string> {
  const error: unknown = await collect(source).then(
    () => new Error('the source gave something'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof SourceError) || error.message.includes('\n')) throw error
  return error.message
}
