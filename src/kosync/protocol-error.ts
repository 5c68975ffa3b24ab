import { errorTable, type ErrorName } from './protocol.ts'
import type { Account } from '../store/store.ts'

/** An answer other than success. The only way for routes and hooks to give one. */
export class ProtocolError extends Error {
  readonly error: ErrorName
  /** Seconds after which it may be tried again. */
  readonly retryAfter: number | undefined
  /** The reason for the log, where it tells more than the message. */
  readonly reason: string | undefined
  /** The account whose log-in failed. */
  readonly account: Account | undefined

  constructor(error: ErrorName, retryAfter?: number, reason?: string, account?: Account) {
    super(retryAfter !== undefined && isTooMany(error) ? tooManyMessage(retryAfter) : errorTable[error].message)
    this.error = error
    this.retryAfter = retryAfter
    this.reason = reason
    this.account = account
  }
}

function isTooMany(error: ErrorName): boolean {
  return errorTable[error].code === errorTable.tooManyAttempts.code
}

/** On a reader's screen there is no Retry-After. */
function tooManyMessage(seconds: number): string {
  const minutes = Math.ceil(seconds / 60)
  const time =
    seconds < 60 ? `${seconds} second${seconds === 1 ? '' : 's'}` : `${minutes} minute${minutes === 1 ? '' : 's'}`
  return `Too many attempts. Try again in ${time}.`
}
