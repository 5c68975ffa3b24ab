import { join } from 'node:path'
import { appendUnflushed, replaceUnflushed } from '../durable.ts'
import { unlessAbsent } from '../error-code.ts'
import { bridgeAccountFolder } from '../store/file-store/files/folder-names.ts'
import type { Account } from '../store/store.ts'
import { readTrusted } from '../trusted-file.ts'
import type { EventLog } from './bridge-storage.ts'
import { Lanes } from './lanes.ts'
import type { BridgeEvent } from './parts.ts'

/** In the bridge's folder of an account. */
export const logName = '_log.jsonl'

/** Events of a user that are kept; as many again may wait to be taken away. */
const kept = 500

/** JSON lines in `<user>/audiobookshelf/`. */
export class EventLogFiles implements EventLog {
  readonly #dir: string
  readonly #now: () => number
  readonly #onFailure: (error: unknown) => void
  readonly #lanes = new Lanes()
  /** Lines since the file was last cut, by path. */
  readonly #added = new Map<string, number>()

  constructor(dir: string, now: () => number, onFailure: (error: unknown) => void) {
    this.#dir = dir
    this.#now = now
    this.#onFailure = onFailure
  }

  add(account: Account, event: BridgeEvent): void {
    const path = this.#pathOf(account)
    const line = `${JSON.stringify({ time: Math.floor(this.#now() / 1000), ...event })}\n`
    this.#lanes.take(path, () => this.#append(path, line)).catch(this.#onFailure)
  }

  async list(account: Account): Promise<(BridgeEvent & { time: number })[]> {
    const lines = await this.#lanes.take(this.#pathOf(account), () => readLines(this.#pathOf(account)))
    return lines.slice(-kept).flatMap((line) => {
      try {
        return [JSON.parse(line) as BridgeEvent & { time: number }]
      } catch {
        // A crash may have torn it.
        return []
      }
    })
  }

  #pathOf({ folder }: Account): string {
    return join(this.#dir, folder, bridgeAccountFolder, logName)
  }

  async #append(path: string, line: string): Promise<void> {
    await appendUnflushed(path, line)
    // Of an earlier process nobody knows how many there are.
    const added = (this.#added.get(path) ?? kept) + 1
    this.#added.set(path, added)
    if (added <= kept) return
    const lines = await readLines(path)
    if (lines.length > kept) await replaceUnflushed(path, `${lines.slice(-kept).join('\n')}\n`)
    this.#added.set(path, 0)
  }
}

async function readLines(path: string): Promise<string[]> {
  const text = (await unlessAbsent(readTrusted(path))) ?? ''
  return text.split('\n').filter((line) => line !== '')
}
