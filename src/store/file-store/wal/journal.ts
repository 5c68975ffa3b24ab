import { constants, fstatSync } from 'node:fs'
import { mkdir, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncFolder } from '../../../durable.ts'
import { DamagedFile } from '../../../damaged-file.ts'
import { hasCode } from '../../../error-code.ts'
import type { OpenedFolder } from '../opened-folder.ts'
import { listNames, numberOf } from './read-journal.ts'
import { openTrusted } from '../../../trusted-file.ts'
import { Turns } from '../../../turns.ts'

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
  /** The state directory. Nothing is written to the journal of another one. */
  readonly folder: OpenedFolder
  readonly #dir: string
  /** The number of the newest file; all up to it may be there. */
  #newest: number
  /** The newest file; undefined when the next append has to begin another. */
  #open: OpenFile | undefined
  readonly #turns = new Turns()

  /** In the folder, which is made when it is needed. `newest` is the number of the newest file there. */
  constructor(dir: string, newest: number, folder: OpenedFolder) {
    this.folder = folder
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
      if (numberOf(name) < number) await this.#remove(join(this.#dir, name))
    }
  }

  /** Removes the files too, if all that they hold is elsewhere. */
  async close(empty: boolean): Promise<void> {
    await this.#turns.take(() => this.#end())
    // What stays in a folder that is elsewhere by now does no harm: the next start finds all of it in the files.
    if (empty && this.folder.isInPlace) await this.dropBefore(Infinity)
  }

  async #write(bytes: Buffer): Promise<void> {
    const current = this.#open ?? (await this.#begin())
    try {
      await current.file.appendFile(bytes)
      await current.file.sync()
      // A folder that is gone takes along what is written to its files.
      if (fstatSync(current.file.fd).nlink === 0) throw new DamagedFile(this.#dir, 'was removed')
      // One that was moved away does too.
      this.folder.check()
      current.size += bytes.length
    } catch (error) {
      // Nobody was told that these lines are kept; and a failed flush is never tried again on one descriptor.
      await current.file.truncate(current.size).catch(() => undefined)
      await this.#end()
      // Else a full disk would get an empty file with each push.
      if (current.size === 0) await this.#remove(current.path).catch(() => undefined)
      throw error
    }
  }

  async #begin(): Promise<OpenFile> {
    this.folder.check()
    this.#newest += 1
    const path = join(this.#dir, fileName(this.#newest))
    const file = await openNew(path)
    try {
      await syncFolder(this.#dir)
    } catch (error) {
      await file.close()
      await this.#remove(path).catch(() => undefined)
      throw error
    }
    await this.#end()
    this.#open = { file, path, size: 0 }
    return this.#open
  }

  async #remove(path: string): Promise<void> {
    this.folder.check()
    await rm(path, { force: true })
  }

  async #end(): Promise<void> {
    const { file } = this.#open ?? {}
    this.#open = undefined
    await file?.close()
  }
}

function fileName(number: number): string {
  return `${String(number).padStart(10, '0')}.log`
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
