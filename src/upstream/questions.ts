import type { FastifyBaseLogger } from 'fastify'
import type { Credentials } from '../credentials.ts'
import { ProtocolError } from '../errors.ts'
import { Asker, type Answer } from './ask.ts'

export interface QuestionsOptions {
  logger: FastifyBaseLogger
  /** The upstream's address, perhaps with a path, without a slash at the end. */
  origin: string
  /** Milliseconds for all that one call of a reader needs of it. */
  budgetMs?: number
}

/** KOReader gives up after 2 s of silence, and the rest is for the hash and the disk. @see PROTOCOL.md §4 */
const defaultBudgetMs = 1200

/** The least between two warnings, in milliseconds. */
const quietMs = 60_000

/** Seconds. */
const retryAfter = 5

/** "Not these credentials", "nothing there": what an upstream can say without failing. */
const refusals = new Set([401, 403, 404])

/** What kss asks its upstream, and what the answers mean; `unavailable` where they mean nothing. */
export class Questions {
  readonly #options: QuestionsOptions
  readonly #asker: Asker
  #warned = Number.NEGATIVE_INFINITY

  constructor(options: QuestionsOptions) {
    this.#options = options
    this.#asker = new Asker(options.origin)
  }

  /** Whether it lets them in; `spentMs` is how long the reader has waited. */
  authorize(credentials: Credentials, spentMs: number): Promise<boolean> {
    return this.#ask('/users/auth', credentials, spentMs, ({ status, body }) => {
      if (isObject(body) && 'authorized' in body && body.authorized === 'OK') return true
      return refusals.has(status) ? false : undefined
    })
  }

  /** What it has of a document, not checked, or why it has nothing. */
  getProgress(credentials: Credentials, document: string, spentMs: number): Promise<object | 'refused' | 'nothing'> {
    return this.#ask(`/syncs/progress/${document}`, credentials, spentMs, ({ status, body }) => {
      if (isObject(body)) return 'percentage' in body || 'progress' in body ? body : 'nothing'
      if (status === 404) return 'nothing'
      return refusals.has(status) ? 'refused' : undefined
    })
  }

  /** Not for each failure: a server that is gone may stay so for weeks. */
  warn(reason: string): void {
    if (performance.now() < this.#warned + quietMs) return
    this.#warned = performance.now()
    this.#options.logger.warn({ upstream: this.#options.origin, reason }, 'the upstream is of no use now')
  }

  /** What `take` makes of the answer; when that is undefined it was none. */
  async #ask<T>(
    path: string,
    credentials: Credentials,
    spentMs: number,
    take: (answer: Answer) => T | undefined,
  ): Promise<T> {
    const { budgetMs = defaultBudgetMs } = this.#options
    try {
      const answer = await this.#asker.get(path, credentials, budgetMs - spentMs)
      const taken = take(answer)
      if (taken === undefined) throw new Error(`answers ${answer.status} without what belongs to it`)
      return taken
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException
      // Where several addresses were tried there is no message but a code.
      this.warn(code ?? message)
      throw new ProtocolError('unavailable', retryAfter)
    }
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
