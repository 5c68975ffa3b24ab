import { createWriteStream } from 'node:fs'
import { open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { createTarPacker, type TarPackController } from 'modern-tar'
import { renameFile, syncFolder, tempPath, tempPrefix } from './atomic-file.ts'
import { unlessAbsent } from './error-code.ts'
import { format } from './format.ts'

/** The first file of an archive. */
export const manifestName = 'kss-backup.json'

export interface Manifest {
  format: number
  /** ISO 8601. */
  created: string
}

/** Called with how many of the folders are in the archive. */
export type OnFolder = (done: number, total: number) => void

/** Makes the archive at the path, whole or not at all, durably, and for this user only. */
export async function writeBackup(dir: string, path: string, onFolder?: OnFolder): Promise<void> {
  const temp = tempPath(dirname(path))
  try {
    await streamBackup(dir, createWriteStream(temp, { flags: 'wx', mode: 0o600 }), onFolder)
    const file = await open(temp, 'r+')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
    await renameFile(temp, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await rm(temp, { force: true }).catch(() => undefined)
    throw error
  }
}

/**
 * Writes a gzipped tar of all users, while the directory is in use: each file is whole, and a history is never older
 * than its record. What the journal holds must be in the files before.
 */
export async function streamBackup(dir: string, out: Writable, onFolder?: OnFolder): Promise<void> {
  const { readable, controller } = createTarPacker()
  const packed = pack(dir, controller, onFolder).catch((error: unknown) => controller.error(error))
  await pipeline(Readable.fromWeb(readable), createGzip(), out)
  await packed
}

async function pack(dir: string, tar: TarPackController, onFolder: OnFolder = () => undefined): Promise<void> {
  const manifest: Manifest = { format, created: new Date().toISOString() }
  await addFile(tar, manifestName, Buffer.from(`${JSON.stringify(manifest)}\n`), new Date())
  const entries = await readdir(dir, { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
  for (const [at, { name }] of folders.entries()) {
    await packFolder(join(dir, name), `${name}/`, tar)
    onFolder(at + 1, folders.length)
  }
  tar.finalize()
}

/** Files before folders: auth.json and the records before the histories. */
async function packFolder(folder: string, prefix: string, tar: TarPackController): Promise<void> {
  const entries = (await unlessAbsent(readdir(folder, { withFileTypes: true }))) ?? []
  for (const { name } of entries.filter((entry) => entry.isFile() && !entry.name.startsWith(tempPrefix))) {
    const path = join(folder, name)
    const [bytes, stats] = [await unlessAbsent(readFile(path)), await unlessAbsent(stat(path))]
    // Else it went meanwhile.
    if (bytes && stats) await addFile(tar, prefix + name, bytes, stats.mtime)
  }
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    await packFolder(join(folder, name), `${prefix}${name}/`, tar)
  }
}

async function addFile(tar: TarPackController, name: string, bytes: Uint8Array, mtime: Date): Promise<void> {
  const body = tar.add({ name, size: bytes.length, mtime, mode: 0o600, type: 'file' }).getWriter()
  await body.write(bytes)
  await body.close()
}
