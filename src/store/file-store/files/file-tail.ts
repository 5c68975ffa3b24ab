import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { unlessAbsent } from '../../../error-code.ts'
import { openTrusted } from '../../../trusted-file.ts'

/** Bytes of one read. */
export const block = 64 * 1024

const newline = 0x0a

/** The last lines of a file. */
export interface LastLines {
  /** The byte at which they begin. */
  start: number
  count: number
}

/** The last lines of the file, at most `most`; none when it is not there. Reads only them, a block at a time. */
export async function findLastLines(path: string, most: number): Promise<LastLines> {
  return (await withFile(path, (file) => findLast(file, most))) ?? { start: 0, count: 0 }
}

async function findLast(file: FileHandle, most: number): Promise<LastLines> {
  const { size } = await file.stat()
  let count = 0
  const buffer = Buffer.alloc(block)
  for (let end = size; end > 0; end = Math.max(0, end - block)) {
    const begin = Math.max(0, end - block)
    const bytes = buffer.subarray(0, end - begin)
    await file.read(bytes, 0, bytes.length, begin)
    for (let at = bytes.lastIndexOf(newline); at >= 0; at = bytes.subarray(0, at).lastIndexOf(newline)) {
      // The end of the last line begins no other.
      if (begin + at + 1 === size) continue
      count += 1
      if (count === most) return { start: begin + at + 1, count }
    }
  }
  return { start: 0, count: size === 0 ? 0 : count + 1 }
}

/** Whether a line goes, and those behind it: not, only together with one before it, or from here on. */
export type Cut = 'none' | 'inner' | 'first'

/**
 * Cuts lines off the end of the file, the last one first, until one is to stay; nothing when the file is not there.
 * Looks at no more than the last `most` bytes. Not durable.
 */
export async function cutLastLines(path: string, most: number, cutOf: (line: string) => Cut): Promise<void> {
  await withFile(path, async (file) => {
    const { size } = await file.stat()
    const bytes = Buffer.alloc(Math.min(size, most))
    const from = size - bytes.length
    await file.read(bytes, 0, bytes.length, from)
    let [end, kept] = [bytes.length, bytes.length]
    while (end > 0) {
      const begin = bytes.subarray(0, end - 1).lastIndexOf(newline) + 1
      const isWhole = begin > 0 || from === 0
      const cut = isWhole ? cutOf(bytes.toString('utf8', begin, end).replace(/\n$/, '')) : 'none'
      if (cut === 'none') break
      if (cut === 'first') kept = begin
      end = begin
    }
    if (kept < bytes.length) await file.truncate(from + kept)
  })
}

/** The bytes of the file from there on, a block at a time; whole lines. */
export async function* readLinesFrom(path: string, start: number): AsyncGenerator<Buffer | string> {
  const file = await openTrusted(path)
  let last = newline
  for await (const bytes of file.createReadStream({ start, highWaterMark: block }) as AsyncIterable<Buffer>) {
    last = bytes.at(-1)!
    yield bytes
  }
  if (last !== newline) yield '\n'
}

async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T | undefined> {
  const file = await unlessAbsent(openTrusted(path, constants.O_RDWR))
  try {
    return file && (await work(file))
  } finally {
    await file?.close()
  }
}
