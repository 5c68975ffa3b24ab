import { createRequire } from 'node:module'
import type { RateLimiterMemory as Limiter, RateLimiterRes } from 'rate-limiter-flexible'
import { clientOf } from './client-address.ts'
import { ProtocolError } from './errors.ts'

export interface LimitOptions {
  /** Failed log-ins of one address; 0 for no limit. */
  loginFailuresPerMinute: number
  /** Registrations from one address; 0 for no limit. */
  registrationsPerHour: number
}

/** Of the failures that an address may have, the part that may be for one user. */
const partForOneUser = 1 / 6

// The package's index loads the stores for a dozen databases: 9 MB for nothing.
const RateLimiterMemory = createRequire(import.meta.url)(
  'rate-limiter-flexible/lib/RateLimiterMemory.js',
) as typeof Limiter

/** Holds up who guesses passwords or makes accounts in bulk: 429, which says nothing of the credentials. */
export class Limits {
  readonly #failures: Limiter | undefined
  readonly #failuresOfUser: Limiter | undefined
  readonly #registrations: Limiter | undefined

  constructor({ loginFailuresPerMinute, registrationsPerHour }: LimitOptions) {
    this.#failures = limiter(loginFailuresPerMinute, 60)
    this.#failuresOfUser = limiter(Math.ceil(loginFailuresPerMinute * partForOneUser), 60)
    this.#registrations = limiter(registrationsPerHour, 3600)
  }

  /**
   * Counts a log-in before its key is checked, so that many at once count too; throws `tooManyRequests`. What it
   * resolves to takes the count back: the log-in did not fail.
   */
  async countLogin(address: string, username: string): Promise<() => Promise<void>> {
    const client = clientOf(address)
    const clientAndUser = `${client} ${username}`
    await consume(this.#failures, client)
    try {
      await consume(this.#failuresOfUser, clientAndUser)
    } catch (error) {
      // Who guesses one user's password must not lock out the others behind the same address.
      await this.#failures?.reward(client)
      throw error
    }
    return async () => {
      await this.#failures?.reward(client)
      await this.#failuresOfUser?.reward(clientAndUser)
    }
  }

  /** Counts a registration; throws `tooManyRequests`. What it resolves to takes the count back. */
  async countRegistration(address: string): Promise<() => Promise<void>> {
    const client = clientOf(address)
    await consume(this.#registrations, client)
    return async () => {
      await this.#registrations?.reward(client)
    }
  }
}

function limiter(points: number, duration: number): Limiter | undefined {
  return points > 0 ? new RateLimiterMemory({ points, duration }) : undefined
}

async function consume(limit: Limiter | undefined, key: string): Promise<void> {
  try {
    await limit?.consume(key)
  } catch (refused) {
    // What is refused did not fail.
    await limit!.reward(key)
    const seconds = Math.ceil((refused as RateLimiterRes).msBeforeNext / 1000)
    // A clock that was set back would make it years.
    throw new ProtocolError('tooManyRequests', Math.min(Math.max(1, seconds), limit!.duration))
  }
}
