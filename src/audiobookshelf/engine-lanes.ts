import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BridgeEngine } from './bridge-engine.ts'
import { LaneBusy, type WorkLanes } from './bridge-storage.ts'
import { Lanes } from './lanes.ts'

/** Milliseconds: of a lease, between two renewals of it, and before its end when work on it must be over. */
const defaults = { lease: 30_000, renewal: 10_000, margin: 5000 }

/** Milliseconds between two looks at a lease that another process has. */
const pollMs = 100

/**
 * One piece of work at a time for each key in all processes: who works has a lease on the engine and renews it. When it
 * cannot, the work is told to end before the lease does. A process that dies holds up others until then.
 */
export class EngineLanes implements WorkLanes {
  readonly #engine: BridgeEngine
  readonly #times: typeof defaults
  readonly #lanes = new Lanes()

  constructor(engine: BridgeEngine, times = defaults) {
    this.#engine = engine
    this.#times = times
  }

  async take<T>(key: string, work: (signal?: AbortSignal) => Promise<T>, patienceMs = 0): Promise<T> {
    // A key may hold a secret.
    const name = createHash('sha256').update(key).digest('hex').slice(0, 32)
    return await this.#lanes.take(name, async () => {
      const token = randomBytes(16).toString('hex')
      await this.#acquire(name, token, patienceMs)
      const { signal, stop } = this.#renew(name, token)
      try {
        const result = await work(signal)
        if (signal.aborted) throw new Error('the lease could not be renewed')
        return result
      } finally {
        stop()
        // It ends by itself.
        await this.#engine.extendLease(name, token, 0).catch(() => undefined)
      }
    })
  }

  async #acquire(name: string, token: string, patienceMs: number): Promise<void> {
    const end = performance.now() + patienceMs
    while (!(await this.#engine.takeLease(name, token, this.#times.lease))) {
      if (performance.now() + pollMs > end) throw new LaneBusy('another process works on it')
      await sleep(pollMs)
    }
  }

  #renew(name: string, token: string): { signal: AbortSignal; stop: () => void } {
    const { lease, renewal, margin } = this.#times
    const lost = new AbortController()
    const last = setTimeout(() => lost.abort(), lease - margin)
    const renew = async (): Promise<void> => {
      if (await this.#engine.extendLease(name, token, lease)) last.refresh()
      else lost.abort()
    }
    // The engine may be back for the next one.
    const timer = setInterval(() => void renew().catch(() => undefined), renewal)
    const stop = (): void => {
      clearTimeout(last)
      clearInterval(timer)
    }
    return { signal: lost.signal, stop }
  }
}
