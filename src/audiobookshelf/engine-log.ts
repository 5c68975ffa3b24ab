import type { Account } from '../store/store.ts'
import type { BridgeEngine } from './bridge-engine.ts'
import type { EventLog } from './bridge-storage.ts'
import type { BridgeEvent } from './parts.ts'

/** Events of a user that are kept. */
const kept = 500

/** JSON lines in a list of the account. */
export class EngineLog implements EventLog {
  readonly #engine: BridgeEngine
  readonly #now: () => number
  readonly #onFailure: (error: unknown) => void

  constructor(engine: BridgeEngine, now: () => number, onFailure: (error: unknown) => void) {
    this.#engine = engine
    this.#now = now
    this.#onFailure = onFailure
  }

  add(account: Account, event: BridgeEvent): void {
    const line = JSON.stringify({ time: Math.floor(this.#now() / 1000), ...event })
    this.#engine.addEvent(account, line, kept).catch(this.#onFailure)
  }

  async list(account: Account): Promise<(BridgeEvent & { time: number })[]> {
    const lines = await this.#engine.listEvents(account)
    return lines.map((line) => JSON.parse(line) as BridgeEvent & { time: number })
  }
}
