import type {
  IRateLimiterOptions,
  RateLimiterAbstract,
  RateLimiterMemory as Memory,
  RateLimiterRes,
} from 'rate-limiter-flexible'
// The package's index loads the stores for a dozen databases, 9 MB for nothing, and it alone has types.
// @ts-expect-error TS7016
import memory from 'rate-limiter-flexible/lib/RateLimiterMemory.js'
import { clientOf } from '../client-address.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'
import { retryAfter } from './hash-queue.ts'

export interface LimitOptions {
  /** Failed log-ins of one address; 0 for no limit. */
  loginFailuresPerMinute: number
  /** Registrations from one address; 0 for no limit. */
  registrationsPerHour: number
  /** Makes limiters that count together with other processes; each process counts for itself if left out. */
  createLimiter?: CreateLimiter | undefined
}

/** Counts by `keyPrefix`, `points` and `duration`; by `insuranceLimiter` while it cannot. */
export type CreateLimiter = (options: IRateLimiterOptions) => RateLimiterAbstract

type Limiter = RateLimiterAbstract | undefined

/** A log-in that may be checked. */
export interface CountedLogin {
  /** The address failed so often lately that its log-ins wait behind those of others. */
  isSuspect: boolean
  /** Call it once, when the log-in has been decided, or could not be. */
  end: (failed: boolean) => void
}

/** Of the failures that an address may have, the part that may be for one user. */
const partForOneUser = 1 / 6

/** Seconds between two checks for one user from an address over its limit, where the owner must still get in. */
const secondsToRetry = 5

/** Seconds. */
const minute = 60

/** Password changes of one account in a minute: each costs as much as a log-in. */
const keyChangesPerMinute = 5

const RateLimiterMemory = memory as typeof Memory

/** Slows down clients that guess passwords or make accounts in bulk. Its errors tell nothing about the credentials. */
export class Limits {
  readonly #logins: FailureLimit
  readonly #loginsOfUser: FailureLimit
  readonly #registrations: Limiter
  readonly #keyChanges: Limiter
  /** The log-ins that an address over its limit may still try: one a second, and fewer for one user. */
  readonly #retries: Limiter
  readonly #retriesOfUser: Limiter

  constructor({ loginFailuresPerMinute, registrationsPerHour, createLimiter }: LimitOptions) {
    const limiter = (name: string, points: number, seconds: number): Limiter => {
      if (points === 0) return undefined
      const options = { keyPrefix: name, points, duration: seconds }
      const insuranceLimiter = new RateLimiterMemory(options)
      return createLimiter?.({ ...options, insuranceLimiter }) ?? insuranceLimiter
    }
    const mostOfUser = Math.ceil(loginFailuresPerMinute * partForOneUser)
    this.#logins = new FailureLimit(loginFailuresPerMinute, limiter('logins', loginFailuresPerMinute, minute))
    this.#loginsOfUser = new FailureLimit(mostOfUser, limiter('logins-of-user', mostOfUser, minute))
    this.#registrations = limiter('registrations', registrationsPerHour, 3600)
    this.#keyChanges = limiter('key-changes', keyChangesPerMinute, minute)
    this.#retries = limiter('retries', 1, 1)
    this.#retriesOfUser = limiter('retries-of-user', 1, secondsToRetry)
  }

  /**
   * Counts a log-in while its key is checked, so that many at once count too. Throws `tooManyAttempts` when too many
   * failed, `unavailable` when so many are being checked that they could.
   */
  async countLogin(address: string, username: string): Promise<CountedLogin> {
    const client = clientOf(address)
    const pair = `${client} ${username}`
    const counted = [this.#logins.begin(client), this.#loginsOfUser.begin(pair)]
    const end = (failed: boolean): void => counted.forEach((each) => each.end(failed))
    try {
      const left = await Promise.all(counted.map((each) => each.secondsLeft()))
      const seconds = left.find((each) => each !== undefined)
      if (seconds === undefined)
        return { isSuspect: (await this.#logins.failures(client)) > this.#loginsOfUser.most, end }
      await consume(this.#retriesOfUser, pair, seconds)
      await consume(this.#retries, client, seconds)
      // Not counted as a failure: the address stays limited for as long as it is, whether this log-in is right or wrong.
      return { isSuspect: true, end: () => end(false) }
    } catch (error) {
      end(false)
      throw error
    }
  }

  /** Counts a registration; throws `tooManyAttempts`. What it resolves to takes the count back. */
  async countRegistration(address: string): Promise<() => Promise<void>> {
    const client = clientOf(address)
    await consume(this.#registrations, client)
    return async () => {
      await this.#registrations?.reward(client)
    }
  }

  /** Counts a change of the password of the account with the id; throws `tooManyAttempts`. */
  async countKeyChange(id: string): Promise<void> {
    await consume(this.#keyChanges, id)
  }
}

/** A log-in that is being decided. */
interface Undecided {
  /** Seconds until there may be another failure; undefined when there may be now. Throws `unavailable` where that is not decided yet. */
  secondsLeft: () => Promise<number | undefined>
  end: (failed: boolean) => void
}

/** Limits failures per minute. Log-ins that this process has not decided yet count as failures. */
class FailureLimit {
  /** 0 is no limit. */
  readonly most: number
  readonly #failures: Limiter
  readonly #undecided = new Map<string, number>()

  constructor(most: number, failures: Limiter) {
    this.most = most
    this.#failures = failures
  }

  /** Failures within the minute. */
  async failures(key: string): Promise<number> {
    return (await this.#failures?.get(key))?.consumedPoints ?? 0
  }

  begin(key: string): Undecided {
    const place = (this.#undecided.get(key) ?? 0) + 1
    this.#undecided.set(key, place)
    return { secondsLeft: () => this.#secondsLeft(key, place), end: (failed) => this.#end(key, failed) }
  }

  async #secondsLeft(key: string, place: number): Promise<number | undefined> {
    const result = await this.#failures?.get(key)
    const failures = result?.consumedPoints ?? 0
    if (result && failures >= this.most) return secondsOf(result, minute)
    if (this.most > 0 && failures + place > this.most) throw new ProtocolError('unavailable', retryAfter())
    return undefined
  }

  #end(key: string, failed: boolean): void {
    const left = this.#undecided.get(key)! - 1
    if (left > 0) this.#undecided.set(key, left)
    else this.#undecided.delete(key)
    if (failed) void this.#failures?.penalty(key)
  }
}

/** Throws `tooManyAttempts`, with the seconds if they are given. */
async function consume(limit: Limiter, key: string, seconds?: number): Promise<void> {
  try {
    await limit?.consume(key)
  } catch (refused) {
    // What is refused did not fail.
    await limit!.reward(key)
    throw new ProtocolError('tooManyAttempts', seconds ?? secondsOf(refused as RateLimiterRes, limit!.duration))
  }
}

/** A clock that was set back would make it years. */
function secondsOf({ msBeforeNext }: RateLimiterRes, most: number): number {
  return Math.min(Math.max(1, Math.ceil(msBeforeNext / 1000)), most)
}
