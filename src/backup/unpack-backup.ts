import { mkdir, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { addAbortSignal, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { TransformStream, type ReadableStream } from 'node:stream/web'
import { createTarDecoder } from 'modern-tar'
import { archiveLimits, createSizeCheck, type ArchiveLimits } from './archive-limits.ts'
import { manifestName, type Manifest } from './backup.ts'
import { DamagedFile } from '../damaged-file.ts'
import { hasCode } from '../error-code.ts'
import { format } from '../store/file-store/files/format.ts'

/** What is no archive that this kss can restore; the message says why. */
export class BadBackup extends Error {}

export interface UnpackOptions {
  signal: AbortSignal
  /** Told of each file that is left out. */
  onDamage: (error: unknown) => void
  limits?: ArchiveLimits
}

/** Bytes that the smallest file takes of most disks. */
const blockSize = 4096

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>

/** Files of accounts, .registration.json, and the log, which is in an archive that tar made; no path leaves the folder. */
const wanted =
  /^([^/\\.][^/\\\0]*\/((history|audiobookshelf)\/)?[^/\\.][^/\\\0]*|\.(wal|journal)\/\d+\.log|\.registration\.json)$/

/**
 * Unpacks an archive of `kss backup create`, or of tar, into an empty folder: only plain files, within the limits. Rejects
 * with BadBackup, as the file system does, or when the signal aborts it; then what is in the folder is of no use.
 */
export async function unpackBackup(
  archive: Readable,
  folder: string,
  { signal, onDamage, limits = archiveLimits }: UnpackOptions,
): Promise<void> {
  const free = await freeFor(folder)
  const entries = (Readable.toWeb(addAbortSignal(signal, archive)) as Bytes)
    .pipeThrough(new DecompressionStream('gzip'))
    .pipeThrough(atMost(Math.min(limits.bytes, free)))
    .pipeThrough(createTarDecoder({ strict: true }))
  const mostEntries = Math.min(limits.entries, Math.floor(free / blockSize))
  const isTooLarge = createSizeCheck(limits)
  const unpackFile = createUnpackFile(folder)
  let count = 0
  let files = 0
  try {
    for await (const { header, body } of entries) {
      count += 1
      if (count > mostEntries) throw new BadBackup(`it has over ${mostEntries.toLocaleString('en')} files`)
      const name = header.name.replace(/^(\.\/)+/, '')
      if (name === manifestName) {
        if (header.size > limits.manifest) throw new BadBackup(`its ${manifestName} is too large`)
        checkManifest(await text(body))
      } else if (header.type !== 'file' || !wanted.test(name)) await body.cancel()
      else {
        const problem = isTooLarge(name, header.size) ? 'is too large' : await unpackFile(name, body)
        if (problem === undefined) files += Number(!name.startsWith('.'))
        else {
          onDamage(new DamagedFile(name, problem))
          await body.cancel()
        }
      }
    }
  } catch (error) {
    if (signal.aborted || error instanceof BadBackup || hasSyscall(error)) throw error
    throw noArchive(error as Error)
  }
  if (files === 0) throw new BadBackup('there are no accounts in it')
}

function noArchive(error: Error): BadBackup {
  /* c8 ignore next -- Node 24 says it in the cause alone, Node 20 has none */
  const reason = error.message || (error.cause as Error).message
  return new BadBackup(`it is no gzipped tar, or it is damaged (${reason})`, { cause: error })
}

/** Half of the free bytes of the folder's disk, since a restore copies the unpacked files. */
async function freeFor(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  /* c8 ignore next -- some file systems of networks say 0 */
  return (bavail * bsize) / 2 || Number.POSITIVE_INFINITY
}

/** Fails when more bytes than that come through. */
function atMost(limit: number): TransformStream<Uint8Array, Uint8Array> {
  let size = 0
  return new TransformStream({
    transform(chunk: Uint8Array, controller): void {
      size += chunk.length
      if (size > limit)
        throw new BadBackup(`it needs more than ${Math.floor(limit).toLocaleString('en')} bytes of the disk`)
      controller.enqueue(chunk)
    },
  })
}

/** Resolves to the reason why there can be no file of that name here; undefined when it was written. */
type UnpackFile = (name: string, body: ReadableStream<Uint8Array>) => Promise<string | undefined>

function createUnpackFile(folder: string): UnpackFile {
  /** The top folders of the archive, and whether each is one of its own here. */
  const tops = new Map<string, boolean>()

  /** Where case folds, the folders `Alice` and `alice` of two accounts would become one. */
  async function isOwn(top: string): Promise<boolean> {
    const isNew = tops.get(top) ?? (await makeNew(join(folder, top)))
    tops.set(top, isNew)
    return isNew
  }

  return async (name, body) => {
    const path = join(folder, name)
    try {
      const top = name.slice(0, name.indexOf('/'))
      if (top !== '' && !(await isOwn(top)))
        return "would be in another account's folder here, where case does not count"
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await writeFile(path, body, { mode: 0o600 })
      return undefined
    } catch (error) {
      // A name that is too long or has characters that this disk does not take, or one that is a file and a folder.
      if (!hasCode(error, 'ENAMETOOLONG', 'EINVAL', 'EEXIST', 'ENOTDIR', 'EISDIR')) throw error
      return `cannot be a file here (${(error as NodeJS.ErrnoException).code})`
    }
  }
}

/** Makes the folder. False if it is there. */
async function makeNew(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 })
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
}

function hasSyscall(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall !== undefined
}

function checkManifest(json: string): void {
  const manifest = JSON.parse(json) as Manifest
  if (manifest.format > format) throw new BadBackup('a newer kss made it: install that one')
}
