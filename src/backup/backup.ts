import { statSync } from 'node:fs'
import { open, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { createTarPacker, type TarPackController } from 'modern-tar'
import { renameFile, syncFolder, tempPath, tempPrefix } from '../durable.ts'
import { ifPresent, unlessAbsent } from '../error-code.ts'
import { eachEntry, mayBeUsers } from '../store/file-store/files/folder-names.ts'
import { format } from '../store/file-store/files/format.ts'
import { registrationName } from '../store/file-store/files/registration-file.ts'
import { readTrustedSync } from '../trusted-file.ts'
import { authFile } from '../store/file-store/files/auth-file.ts'
import { UserFiles } from '../store/file-store/user-files.ts'

/** The first file of an archive. */
export const manifestName = 'kss-backup.json'

export interface Manifest {
  format: number
  /** ISO 8601. */
  created: string
}

/** A file of an archive. */
export interface ArchivedFile {
  name: string
  bytes: Uint8Array
  mtime: Date
}

/** What an archive begins with. */
export function manifestFile(): ArchivedFile {
  const manifest: Manifest = { format, created: new Date().toISOString() }
  return { name: manifestName, bytes: Buffer.from(`${JSON.stringify(manifest)}\n`), mtime: new Date() }
}

/** Called with how many of the folders are in the archive. */
export type OnFolder = (done: number, total: number) => void

/** What an archive holds. */
export interface Contents {
  users: number
  documents: number
  /** Of their files, not compressed. */
  bytes: number
}

/** What is said of an archive that was made while some files could not be written. */
export const lacksPositions =
  'It lacks the newest positions of some books, which cannot be written to their files: the log of kss serve names them.'

/** The same files; adds them to the contents as they pass. */
export async function* countFiles(
  files: AsyncIterable<ArchivedFile>,
  contents: Contents,
): AsyncGenerator<ArchivedFile> {
  for await (const file of files) {
    const name = /^[^.][^/]*\/([^/]+)$/.exec(file.name)?.[1]
    if (name === authFile) contents.users += 1
    else if (name?.endsWith('.json')) contents.documents += 1
    if (file.name !== manifestName) contents.bytes += file.bytes.length
    yield file
  }
}

/** Makes the archive at the path, as writeWhole does. */
export async function writeArchive(
  files: AsyncIterable<ArchivedFile>,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  await writeWhole(path, (out) => streamArchive(files, out, signal))
}

/** Makes the file at the path, whole or not at all, durably, and for this user only. */
export async function writeWhole(path: string, write: (out: Writable) => Promise<void>): Promise<void> {
  const temp = tempPath(dirname(path))
  try {
    // Opened here, and not later by a stream: after an abort has removed the file, nothing may make it again.
    const made = await open(temp, 'wx', 0o600)
    await write(made.createWriteStream())
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

/** Writes a gzipped tar. Rejects when the signal aborts it. */
export async function streamArchive(
  files: AsyncIterable<ArchivedFile>,
  out: Writable,
  signal?: AbortSignal,
): Promise<void> {
  const { readable, controller } = createTarPacker()
  const packed = pack(files, controller).catch((error: unknown) => controller.error(error))
  await pipeline(Readable.fromWeb(readable), createGzip(), out, { signal })
  await packed
}

/**
 * The files of all users, or of those with these folders, while the directory is in use: each file is whole, and a
 * history is never older than its record. What the log holds must be in the files before. Rejects with DamagedFile
 * when another directory is in its place at the end.
 */
export async function* backupFiles(
  dir: string,
  onFolder: OnFolder = () => undefined,
  only?: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<ArchivedFile> {
  const state = new UserFiles(dir)
  yield manifestFile()
  const registration = ifPresent(() => readTrustedSync(join(dir, registrationName)))
  if (registration && !only) yield { name: registrationName, bytes: registration, mtime: new Date() }
  if (only) for await (const name of only) yield* filesOf(join(dir, name), `${name}/`)
  else yield* filesOfAll(dir, onFolder)
  // A disk that was taken out looks like an empty folder, without an error.
  await state.checkFolder()
}

async function* filesOfAll(dir: string, onFolder: OnFolder): AsyncGenerator<ArchivedFile> {
  const packed = new Set<string>()
  // Listed again until nothing is new: a user who is renamed meanwhile has another folder.
  for (;;) {
    const folders = await listFolders(dir, packed)
    const total = packed.size + folders.length
    if (folders.length === 0) break
    for (const name of folders) {
      yield* filesOf(join(dir, name), `${name}/`)
      packed.add(name)
      onFolder(packed.size, total)
    }
  }
}

async function listFolders(dir: string, without: Set<string>): Promise<string[]> {
  const names: string[] = []
  for await (const entry of eachEntry(dir)) {
    if (entry.isDirectory() && mayBeUsers(entry.name) && !without.has(entry.name)) names.push(entry.name)
  }
  return names.toSorted()
}

/** Files before folders: auth.json and the records before the histories. */
async function* filesOf(folder: string, prefix: string): AsyncGenerator<ArchivedFile> {
  const entries = (await unlessAbsent(readdir(folder, { withFileTypes: true }))) ?? []
  for (const { name } of entries.filter((entry) => entry.isFile() && !entry.name.startsWith(tempPrefix))) {
    // Nobody else waits in this process, and through the thread pool it takes ten times as long.
    const file = ifPresent(() => {
      const path = join(folder, name)
      return { name: prefix + name, bytes: readTrustedSync(path), mtime: statSync(path).mtime }
    })
    if (file) yield file
  }
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    yield* filesOf(join(folder, name), `${prefix}${name}/`)
  }
}

async function pack(files: AsyncIterable<ArchivedFile>, tar: TarPackController): Promise<void> {
  for await (const { name, bytes, mtime } of files) {
    const body = tar.add({ name, size: bytes.length, mtime, mode: 0o600, type: 'file' }).getWriter()
    await body.write(bytes)
    await body.close()
  }
  tar.finalize()
}
