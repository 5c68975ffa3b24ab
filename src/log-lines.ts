import { write } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

/** Writes the bytes to the file from there on; resolves to how many it took. */
export type Write = (fd: number, bytes: Buffer, from: number) => Promise<{ bytesWritten: number }>

export interface LogLinesOptions {
  fd: number
  /** The line that says how many were dropped. */
  tellDropped: (count: number) => string
  /** Characters that may wait for a reader of the log who is slow or gone; what comes after is dropped. */
  maxWaiting?: number
  /** Milliseconds that a stop waits for such a reader. */
  patience?: number
  write?: Write
}

/** Characters that are collected for one write, and the milliseconds after which they go out in any case. */
const chunk = 64 * 1024
const chunkMs = 100

/** Milliseconds after which a pipe that was full is tried again. */
const fullPipeMs = 100

const newline = 0x0a

/**
 * Standard output for a busy server: written in the background, many lines at a time. What cannot be written, on a full
 * disk say, is dropped; the next line that can be written says how much that was. So the log holds up nobody.
 */
export class LogLines {
  readonly #options: Required<LogLinesOptions>
  #lines = ''
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #dropped = 0
  /** The last line was written in part. */
  #isTorn = false

  constructor(options: LogLinesOptions) {
    this.#options = { maxWaiting: 16 * 2 ** 20, patience: 2000, write: promisify(write), ...options }
  }

  /** Takes a line with its end. */
  write(line: string): void {
    if (this.#lines.length >= this.#options.maxWaiting) {
      this.#dropped += 1
      return
    }
    this.#lines += line
    if (this.#lines.length > chunk) void this.#start()
    else this.#timer ??= setTimeout(() => void this.#start(), chunkMs)
  }

  /** Resolves when all is written or dropped, or its reader took too long. */
  async flush(): Promise<void> {
    const written = new AbortController()
    const deadline = sleep(this.#options.patience, undefined, { signal: written.signal }).catch(() => undefined)
    await Promise.race([this.#start(), deadline])
    written.abort()
  }

  #start(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined))
    return this.#writing
  }

  async #writeAll(): Promise<void> {
    while (this.#lines !== '') {
      const told = this.#dropped
      const head = (this.#isTorn ? '\n' : '') + (told > 0 ? this.#options.tellDropped(told) : '')
      const bytes = Buffer.from(head + this.#lines)
      this.#lines = ''
      const end = await this.#writeBytes(bytes)
      this.#isTorn = end === 0 ? this.#isTorn : bytes[end - 1] !== newline
      const isTold = end >= Buffer.byteLength(head)
      const lost = bytes.subarray(isTold ? end : Buffer.byteLength(head))
      this.#dropped += countLines(lost) - (isTold ? told : 0)
    }
  }

  /** Resolves to how many of them are written: all, unless that fails. */
  async #writeBytes(bytes: Buffer): Promise<number> {
    let end = 0
    while (end < bytes.length) {
      try {
        end += (await this.#options.write(this.#options.fd, bytes, end)).bytesWritten
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return end
        // A pipe that is full. The process may end meanwhile.
        await sleep(fullPipeMs, undefined, { ref: false })
      }
    }
    return end
  }
}

function countLines(bytes: Buffer): number {
  let count = 0
  for (const byte of bytes) if (byte === newline) count += 1
  return count
}
