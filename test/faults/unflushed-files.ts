import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import fs, { type FileHandle } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { Random } from '../crash/random.ts'
import { replace, type Teardown } from '../store/file-store/faulty-disk.ts'

/**
 * What a power cut leaves of the files of a process that goes on: of each file its content at the last flush that succeeded,
 * and any part of what was written since. A renaming is durable with the next flush of the file, and a removal at once: what
 * the order of those does is explored in test/power-cut.
 */
export class UnflushedFiles {
  readonly #random: Random
  /** Contents at the last flush, by path. */
  readonly #flushed = new Map<string, Buffer>()
  /** Files as they are opened, by where they are now. */
  readonly #opened: { path: string }[] = []
  /** Files that a cut has changed. */
  cut = 0

  /** From now on until the end of the test, flushes are noted. Call it after faultyDisk: flushes that fail are none. */
  constructor(t: Teardown, random: Random) {
    this.#random = random
    const { open, rename, rm } = fs
    replace(t, 'open', async (...args: Parameters<typeof open>) => this.#watch(await open(...args), String(args[0])))
    replace(t, 'rename', async (from: string, to: string) => {
      await rename(from, to)
      this.#move(from, to)
    })
    replace(t, 'rm', async (...args: Parameters<typeof rm>) => {
      await rm(...args)
      for (const path of this.#inside(String(args[0]))) this.#flushed.delete(path)
    })
  }

  /** Copies a folder as it is after `kill -9`, or else after a power cut. What `forget` matches is lost, flushed or not. */
  copy(from: string, to: string, isPowerCut: boolean, forget?: RegExp): void {
    // Not that of node:fs/promises, whose calls may fail or wait.
    cpSync(from, to, { recursive: true, filter: (path) => !forget?.test(path) })
    for (const name of readdirSync(to, { recursive: true, encoding: 'utf8' })) {
      const path = join(to, name)
      if (!statSync(path).isFile()) continue
      const flushed = this.#flushed.get(join(from, name))
      if (isPowerCut) this.#cutOff(path, flushed)
      else if (flushed) this.#flushed.set(path, flushed)
    }
  }

  #cutOff(path: string, flushed: Buffer | undefined): void {
    const written = readFileSync(path)
    // A .json is not written in place: of another file with its name there are no parts in it.
    const left = flushed?.equals(written) ? written : this.#choose(written, flushed, !path.endsWith('.json'))
    if (!left) rmSync(path)
    else if (!left.equals(written)) writeFileSync(path, left)
    if (!left?.equals(written)) this.cut += 1
    if (left) this.#flushed.set(path, left)
  }

  /** All that was written, or nothing of it, or its beginning; undefined when there is no file. */
  #choose(written: Buffer, flushed: Buffer | undefined, inPlace: boolean): Buffer | undefined {
    const chance = this.#random.next()
    if (chance < 0.3) return written
    if (chance < 0.6) return flushed
    const before = (inPlace && flushed) || Buffer.alloc(0)
    const same = written.findIndex((byte, index) => byte !== before[index])
    const length = Math.floor(this.#random.between(Math.max(same, 0), written.length + 1))
    return Buffer.concat([written.subarray(0, length), before.subarray(length)])
  }

  #watch(file: FileHandle, path: string): FileHandle {
    const opened = { path }
    this.#opened.push(opened)
    for (const name of ['sync', 'datasync'] as const) {
      const flush = file[name].bind(file)
      const noted = async (): Promise<void> => {
        // What is written meanwhile may be in the flush, or not.
        const content = (await file.stat()).isFile() ? readFileSync(opened.path) : undefined
        await flush()
        if (content) this.#flushed.set(opened.path, content)
      }
      Object.assign(file, { [name]: noted })
    }
    return file
  }

  #move(from: string, to: string): void {
    const moved = (path: string): string => to + path.slice(from.length)
    for (const path of this.#inside(from)) {
      this.#flushed.set(moved(path), this.#flushed.get(path)!)
      this.#flushed.delete(path)
    }
    for (const each of this.#opened) if (isInside(each.path, from)) each.path = moved(each.path)
  }

  #inside(folder: string): string[] {
    return [...this.#flushed.keys()].filter((path) => isInside(path, folder))
  }
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder + sep)
}
