import type { FastifyBaseLogger } from 'fastify'
import type { Credentials } from '../kosync/credentials.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'
import { Asker, type Answer } from './ask.ts'

export interface QuestionsOptions {
  logger: FastifyBaseLogger
  /** The upstream's address, perhaps with a path, without a slash at the end. */
  origin: string
  /** Milliseconds for all questions of one request of a reader. */
  budgetMs?: number
}

/** KOReader gives up after 2 s of silence, and the rest is for the hash and the disk. @see PROTOCOL.md §4 */
const defaultBudgetMs = 1200

/** The least time between two warnings, in milliseconds. */
const quietMs = 60_000

/** Seconds. */
const retryAfter = 5

/** Statuses that refuse the credentials and are no failure of the upstream. */
const refusals = new Set([401, 403, 404])

/** The message of kosync-dotnet, with 502, for an unknown document. */
const dotnetHasNothing = 'Document not found on server'

/** The questions to the upstream and the meaning of its answers; `unavailable` if an answer has none. */
export class Questions {
  readonly #options: QuestionsOptions
  readonly #asker: Asker
  #warned = Number.NEGATIVE_INFINITY

  constructor(options: QuestionsOptions) {
    this.#options = options
    this.#asker = new Asker(options.origin)
  }

  /** Whether the upstream accepts the credentials; `spentMs` is how long the reader has waited. */
  authorize(credentials: Credentials, spentMs: number): Promise<boolean> {
    return this.#ask('/users/auth', credentials, spentMs, ({ status, text }) => {
      if (status === 200) return isYes(text, credentials.username) || undefined
      return refusals.has(status) ? false : undefined
    })
  }

  /** The upstream's record of a document, not validated, or the reason why there is none. */
  getProgress(credentials: Credentials, document: string, spentMs: number): Promise<object | 'refused' | 'nothing'> {
    return this.#ask(`/syncs/progress/${document}`, credentials, spentMs, ({ status, text }) => {
      if (status === 200) return positionIn(parse(text))
      if (status === 502) return text.includes(dotnetHasNothing) ? 'nothing' : undefined
      // 403 and 404 are about the document: crosspoint-sync refuses ids that it would not store.
      if (refusals.has(status)) return status === 401 ? 'refused' : 'nothing'
      return undefined
    })
  }

  /** Warns of a failure, not each time: an upstream may be gone for weeks. */
  warn(reason: string): void {
    if (performance.now() < this.#warned + quietMs) return
    this.#warned = performance.now()
    this.#options.logger.warn({ upstream: this.#options.origin, reason }, 'the upstream is of no use now')
  }

  /** The result of `take` for the answer; undefined counts as a failure. */
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
      // If several addresses were tried the error has a code but no message.
      this.warn(code ?? message)
      throw new ProtocolError('unavailable', retryAfter)
    }
  }
}

/**
 * Servers that check a key accept it in one of three ways: as the official server, with the name of the user
 * (kosync-dotnet), or with the text of the status (KOsync). Any other 200 may not depend on the key: KOsync 2026.02 sends an
 * empty one to strangers, and KoInsight its web page.
 */
function isYes(text: string, username: string): boolean {
  if (text === 'OK') return true
  const body = parse(text)
  if (!isObject(body)) return false
  return 'authorized' in body ? body.authorized === 'OK' : 'username' in body && body.username === username
}

/** Whether the answer is empty: servers in Python send null, kosyncsrv a record with an empty position. */
function positionIn(body: unknown): object | 'nothing' | undefined {
  if (body === null) return 'nothing'
  if (!isObject(body)) return undefined
  const isEmpty = 'progress' in body ? body.progress === '' : !('percentage' in body)
  return isEmpty ? 'nothing' : body
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new Error('answers 200 without JSON', { cause: error })
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
