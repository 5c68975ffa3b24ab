import { join } from 'node:path'
import { makeFolder, replaceFile } from '../durable.ts'
import { unlessAbsent } from '../error-code.ts'
import { toFileName } from '../store/file-store/files/file-name.ts'
import { bridgeFolder } from '../store/file-store/files/folder-names.ts'
import { readTrusted } from '../trusted-file.ts'
import type { Counted } from './books.ts'
import type { CountedBooks } from './bridge-storage.ts'

/** In the folder of the bridge: the counts of each EPUB, by item. */
export const booksFolder = 'books'

/** One JSON file for each item. */
export class BookFiles implements CountedBooks {
  readonly #folder: string
  readonly #onFailure: (error: unknown) => void

  constructor(dir: string, onFailure: (error: unknown) => void) {
    this.#folder = join(dir, bridgeFolder, booksFolder)
    this.#onFailure = onFailure
  }

  async get(item: string): Promise<Counted | undefined> {
    try {
      const text = await unlessAbsent(readTrusted(this.#pathOf(item)))
      return text === undefined ? undefined : (JSON.parse(text) as Counted)
    } catch (error) {
      // It is read from Audiobookshelf again.
      this.#onFailure(error)
      return undefined
    }
  }

  async put(item: string, counted: Counted): Promise<void> {
    await makeFolder(this.#folder)
      .then(() => replaceFile(this.#pathOf(item), JSON.stringify(counted)))
      .catch(this.#onFailure)
  }

  #pathOf(item: string): string {
    return join(this.#folder, `${toFileName(item)}.json`)
  }
}
