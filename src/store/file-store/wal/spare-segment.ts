import { constants } from 'node:fs'
import { rm, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { renameFile, syncFolder, tempPath } from '../../../durable.ts'
import { unlessAbsent } from '../../../error-code.ts'
import { openTrusted } from '../../../trusted-file.ts'
import type { OpenedFolder } from '../opened-folder.ts'
import { segmentName } from './record.ts'

const { O_CREAT, O_EXCL, O_RDWR } = constants

/** Bytes of zeros that are written at a time. */
const zeros = Buffer.alloc(2 ** 20)

/** Milliseconds until the next try when a segment could not be preallocated: on a full disk each try writes megabytes. */
const retryMs = 10 * 60_000

/** A segment that is open for appends. */
export interface Segment {
  number: number
  file: FileHandle
  path: string
  /** Bytes that are durable. */
  size: number
  /** Bytes up to which an append changes neither length nor blocks of the file. */
  allocated: number
}

export interface SpareSegmentOptions {
  /** The folder of the segments. */
  dir: string
  /** The state directory as it was opened. */
  folder: OpenedFolder
  preallocate: boolean
  segmentBytes: number
  /** Milliseconds of a clock that is never set. */
  now: () => number
  /** The number of the next segment. */
  nextNumber: () => number
}

/** The next segment of the log, preallocated or recycled. It is available when its name is durable. */
export class SpareSegment {
  readonly #options: SpareSegmentOptions
  #ready: Segment | undefined
  #preparing: Promise<void> | undefined
  /** Set while a segment is renamed to its number. */
  #publishing: Promise<void> | undefined
  #isWanted: boolean
  #retryAt = -Infinity
  /** A full segment will be recycled, so none is preallocated. */
  willRecycle = false

  constructor(options: SpareSegmentOptions) {
    this.#options = options
    this.#isWanted = options.preallocate
  }

  get isReady(): boolean {
    return this.#ready !== undefined
  }

  /** Resolves when no segment is being renamed to its number. */
  async settled(): Promise<void> {
    await this.#publishing
  }

  /** Hands the segment over to the log; undefined if there is none. */
  take(): Segment | undefined {
    const segment = this.#ready
    this.#ready = undefined
    return segment
  }

  /** Preallocates a segment in the background. */
  prepareSoon(): void {
    const { now } = this.#options
    if (!this.#isMissing || this.willRecycle || now() < this.#retryAt) return
    this.#preparing = this.#prepare()
      .catch(() => {
        // On a full disk, for example. The log then grows with each append, and the next append reports the error.
        this.#retryAt = now() + retryMs
      })
      .finally(() => (this.#preparing = undefined))
  }

  /** Recycles the segment, or removes it if none is needed. */
  async recycle(path: string): Promise<void> {
    /* c8 ignore next -- undefined only when it was removed by hand at this moment */
    const { size = 0 } = (await unlessAbsent(stat(path))) ?? {}
    if (this.#isMissing && size >= this.#options.segmentBytes) await this.#publish(path, openTrusted(path, O_RDWR))
    else await this.#remove(path)
  }

  /** Removes the segment. */
  async drop(): Promise<void> {
    await this.settled()
    const { file, path } = this.take() ?? {}
    await file?.close()
    if (path !== undefined) await this.#remove(path).catch(() => undefined)
  }

  /** Removes the segment after an append failed: the disk may be full. */
  async dropForLong(): Promise<void> {
    await this.drop()
    this.#retryAt = this.#options.now() + retryMs
  }

  /** Stops preallocation. Resolves when none is in progress. */
  async stop(): Promise<void> {
    this.#isWanted = false
    await this.#preparing
  }

  get #isMissing(): boolean {
    return this.#isWanted && !this.#preparing && !this.#publishing && !this.#ready
  }

  async #prepare(): Promise<void> {
    const { dir, segmentBytes } = this.#options
    const temp = tempPath(dir)
    const file = await openTrusted(temp, O_CREAT | O_EXCL | O_RDWR, 0o600)
    try {
      for (let at = 0; at < segmentBytes; at += zeros.length) {
        // A stop does not wait for all zeros.
        if (!this.#isWanted) throw new Error('the log was closed')
        await writeAt(file, zeros.subarray(0, segmentBytes - at), at)
      }
      // Flushes length and blocks too, so that an append needs to flush only its data.
      await file.sync()
    } catch (error) {
      await file.close()
      await rm(temp, { force: true })
      throw error
    }
    await this.#publish(temp, Promise.resolve(file))
  }

  /** Renames a segment to the next number, durably, and makes it available. */
  #publish(from: string, opened: Promise<FileHandle>): Promise<void> {
    const published = this.#assignNumber(from, opened)
    this.#publishing = published.catch(() => undefined).finally(() => (this.#publishing = undefined))
    return published
  }

  async #assignNumber(from: string, opened: Promise<FileHandle>): Promise<void> {
    const { dir, nextNumber, segmentBytes } = this.#options
    const number = nextNumber()
    const file = await opened
    const path = join(dir, segmentName(number))
    try {
      await renameFile(from, path)
      await syncFolder(dir)
      this.#ready = { number, file, path, size: 0, allocated: segmentBytes }
    } catch (error) {
      await file.close()
      for (const each of [from, path]) await this.#remove(each)
      throw error
    }
  }

  async #remove(path: string): Promise<void> {
    await this.#options.folder.check()
    await rm(path, { force: true })
  }
}

/** Writes all bytes: a single write may be partial, on a full disk for example. */
export async function writeAt(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done)
    done += bytesWritten
  }
}
