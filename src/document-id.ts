import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'

/** How long a sample is. */
export const sampleBytes = 1024

/** Where KOReader takes its samples of a book. @see PROTOCOL.md §5 */
export const offsets = [0, ...Array.from({ length: 11 }, (_, at) => 1024 * 4 ** at)]

/** KOReader's binary document id: the MD5 of up to twelve samples of the file, as 32 lower-case hex digits. */
export async function partialMd5(path: string): Promise<string> {
  const hash = createHash('md5')
  const file = await open(path)
  try {
    for (const offset of offsets) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(sampleBytes), 0, sampleBytes, offset)
      if (bytesRead === 0) break
      hash.update(buffer.subarray(0, bytesRead))
    }
    return hash.digest('hex')
  } finally {
    await file.close()
  }
}

/** The same of a book that comes as a stream. */
export async function partialMd5OfStream(stream: Readable): Promise<string> {
  const hash = createHash('md5')
  let position = 0
  for await (const chunk of stream) {
    const bytes = chunk as Buffer
    for (const offset of offsets) {
      const from = Math.max(offset - position, 0)
      const to = Math.min(offset + sampleBytes - position, bytes.length)
      if (from < to) hash.update(bytes.subarray(from, to))
    }
    position += bytes.length
  }
  return hash.digest('hex')
}

/** KOReader's filename document id: the MD5 of the base name's UTF-8 bytes. */
export function filenameMd5(path: string): string {
  return createHash('md5').update(basename(path)).digest('hex')
}
