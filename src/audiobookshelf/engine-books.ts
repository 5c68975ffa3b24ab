import type { BridgeEngine } from './bridge-engine.ts'
import type { CountedBooks } from './bridge-storage.ts'
import type { Counted } from './books.ts'

/** Seconds for which counts are kept: then the book is read again. */
const keptSeconds = 30 * 86_400

/** JSON by item, for all users. */
export class EngineBooks implements CountedBooks {
  readonly #engine: BridgeEngine
  readonly #onFailure: (error: unknown) => void

  constructor(engine: BridgeEngine, onFailure: (error: unknown) => void) {
    this.#engine = engine
    this.#onFailure = onFailure
  }

  async get(item: string): Promise<Counted | undefined> {
    try {
      const text = await this.#engine.getBook(item)
      return text === undefined ? undefined : (JSON.parse(text) as Counted)
    } catch (error) {
      this.#onFailure(error)
      return undefined
    }
  }

  async put(item: string, counted: Counted): Promise<void> {
    await this.#engine.putBook(item, JSON.stringify(counted), keptSeconds).catch(this.#onFailure)
  }
}
