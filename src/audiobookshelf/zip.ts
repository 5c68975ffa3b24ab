import type { Readable } from 'node:stream'
import { fromBufferPromise, type Entry, type ZipFile } from 'yauzl'

const limits = { bytes: 200 * 2 ** 20, entries: 5000 }

/** The files of a zip archive in memory. Their number and unpacked size are bounded. */
export class Zip {
  readonly #file: ZipFile
  readonly #entries: Map<string, Entry>

  private constructor(file: ZipFile, entries: Map<string, Entry>) {
    this.#file = file
    this.#entries = entries
  }

  /** Opens the archive. Rejects if it is none, or too large. */
  static async open(data: Buffer): Promise<Zip> {
    // A stream that is longer than the archive's size of the file ends with an error.
    const file = await fromBufferPromise(data, { lazyEntries: true, validateEntrySizes: true })
    if (file.entryCount > limits.entries) throw new Error(`has more than ${limits.entries} entries`)
    const entries = new Map<string, Entry>()
    let bytes = 0
    for await (const entry of file.eachEntry()) {
      bytes += entry.uncompressedSize
      if (bytes > limits.bytes) throw new Error(`unpacks to more than ${limits.bytes} bytes`)
      entries.set(entry.fileName, entry)
    }
    return new Zip(file, entries)
  }

  has(name: string): boolean {
    return this.#entries.has(name)
  }

  /** The content; undefined if there is no such file. */
  async read(name: string): Promise<Readable | undefined> {
    const entry = this.#entries.get(name)
    return entry && (await this.#file.openReadStreamPromise(entry))
  }
}
