import { constants, fstatSync } from 'node:fs'
import { mkdir, open, readdir, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { syncFolder } from './atomic-file.ts'
import { DamagedFile } from './damaged-file.ts'
import { hasCode, unlessAbsent } from './error-code.ts'
import { checkFolder, openTrusted, readTrusted } from './trusted-file.ts'
import { Turns } from './turns.ts'

const { O_APPEND, O_CREAT, O_EXCL, O_WRONLY } = constants

interface OpenFile {
  file: FileHandle
  path: string
  /** Bytes that are durable. */
  size: number
}

/**
 * What is durable but not yet in the files: appended lines, flushed together. It is a row of numbered files, so that
 * the older ones can go while the newest is written to. @see STORAGE.md §3, The journal
 */
export class Journal {
  readonly #dir: string
  /** The number of the newest file; all up to it may be there. */
  #newest: number
  /** The newest file; undefined when the next append has to begin another. */
  #open: OpenFile | undefined
  readonly #turns = new Turns()

  /** In the folder, which is made when it is needed. `newest` is the number of the newest file there. */
  constructor(dir: string, newest: number) {
    this.#dir = dir
    this.#newest = newest
  }

  /** Appends durably what `lines` gives, then calls `published`; nothing happens to the journal in between. */
  append(lines: () => string, published?: () => void): Promise<void> {
    return this.#turns.take(async () => {
      await this.#write(Buffer.from(lines()))
      published?.()
    })
  }

  /**
   * Begins a new file, and resolves to what `snapshot` returned at that moment: all that was appended before is in
   * older files, all that comes after is not. Once it is elsewhere, `dropBefore` removes those files.
   */
  rotate<T>(snapshot: () => T): Promise<{ before: number; taken: T }> {
    return this.#turns.take(async () => {
      await this.#begin()
      return { before: this.#newest, taken: snapshot() }
    })
  }

  /**
   * Removes the files with a lower number. That is durable when the next file is begun, and so before a later file can
   * go: what a crash brings back is at most a row without a gap.
   */
  async dropBefore(number: number): Promise<void> {
    // The oldest first: a crash in between must not leave a gap.
    for (const name of await listNames(this.#dir)) {
      if (numberOf(name) < number) await rm(join(this.#dir, name), { force: true })
    }
  }

  /** Removes the files too, if all that they hold is elsewhere. */
  async close(empty: boolean): Promise<void> {
    await this.#turns.take(() => this.#end())
    if (empty) await this.dropBefore(Infinity)
  }

  async #write(bytes: Buffer): Promise<void> {
    const current = this.#open ?? (await this.#begin())
    try {
      await current.file.appendFile(bytes)
      await current.file.sync()
      // A folder that is gone takes along what is written to its files.
      if (fstatSync(current.file.fd).nlink === 0) throw new DamagedFile(this.#dir, 'was removed')
      current.size += bytes.length
    } catch (error) {
      // Nobody was told that these lines are kept; and a failed flush is never tried again on one descriptor.
      await current.file.truncate(current.size).catch(() => undefined)
      await this.#end()
      // Else a full disk would get an empty file with each push.
      if (current.size === 0) await rm(current.path, { force: true }).catch(() => undefined)
      throw error
    }
  }

  async #begin(): Promise<OpenFile> {
    this.#newest += 1
    const path = join(this.#dir, fileName(this.#newest))
    const file = await openNew(path)
    try {
      await syncFolder(this.#dir)
    } catch (error) {
      await file.close()
      await rm(path, { force: true }).catch(() => undefined)
      throw error
    }
    await this.#end()
    this.#open = { file, path, size: 0 }
    return this.#open
  }

  async #end(): Promise<void> {
    const { file } = this.#open ?? {}
    this.#open = undefined
    await file?.close()
  }
}

/** A line of the journal: a checksum, so that what a crash tore is known for it, and what was said. */
export function journalLine(json: string): string {
  return `${checksum(json)} ${json}\n`
}

export interface JournalContent {
  /** Oldest first. */
  entries: unknown[]
  /** The number of the newest file; 0 when there is none. */
  newest: number
}

/** What the journal says; `onDamage` is told of each file with a line that a crash tore: nobody was told it is kept. */
export async function readJournal(dir: string, onDamage: (error: Error) => void): Promise<JournalContent> {
  const names = await listNames(dir)
  const entries: unknown[] = []
  for (const name of names) {
    const path = join(dir, name)
    const lines = (await readTrusted(path)).split('\n').filter((line) => line !== '')
    const whole = lines.filter(isWhole)
    for (const line of whole) entries.push(JSON.parse(line.slice(9)))
    if (whole.length < lines.length) onDamage(new DamagedFile(path, 'has a line that a crash tore'))
  }
  return { entries, newest: numberOf(names.at(-1) ?? '0') }
}

/**
 * Makes durable what a process that was killed had written and not flushed: files that are built on a line must not
 * outlive it, or a later replay would not know them for what they are.
 */
export async function syncJournal(dir: string): Promise<void> {
  for (const name of await listNames(dir)) {
    const file = await open(join(dir, name), 'r+')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  }
}

/** Whether the line is as it was written. */
export function isWhole(line: string): boolean {
  return line.startsWith(`${checksum(line.slice(9))} `)
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0')
}

function fileName(number: number): string {
  return `${String(number).padStart(10, '0')}.log`
}

function numberOf(name: string): number {
  return Number.parseInt(name, 10)
}

/** Oldest first. */
async function listNames(dir: string): Promise<string[]> {
  await checkFolder(dir)
  const names = ((await unlessAbsent(readdir(dir))) ?? []).filter((name) => /^\d+\.log$/.test(name))
  return names.toSorted((one, other) => numberOf(one) - numberOf(other))
}

async function openNew(path: string): Promise<FileHandle> {
  const flags = O_APPEND | O_CREAT | O_EXCL | O_WRONLY
  try {
    return await openTrusted(path, flags, 0o600)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    const dir = dirname(path)
    await mkdir(dir, { mode: 0o700 })
    await syncFolder(dirname(dir))
    return await openTrusted(path, flags, 0o600)
  }
}
