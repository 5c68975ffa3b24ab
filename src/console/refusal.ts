import { html, type Html, type Part } from './page.ts'
import { errorName } from '../kosync/errors.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'
import { errorTable } from '../kosync/protocol.ts'

/** An error with a page: the title names the problem, the text the cure. */
export class Refusal extends Error {
  readonly status: number
  readonly title: string
  readonly body: Html
  /** Seconds until a retry may succeed. */
  readonly retryAfter: number | undefined

  /** `reason` is for the log. */
  constructor(status: number, title: string, text: Part, reason: string = title, retryAfter?: number) {
    super(reason)
    this.status = status
    this.title = title
    this.body = html`<p>${text}</p>`
    this.retryAfter = retryAfter
  }
}

/** The page of an error. */
export function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const name = errorName(error)
  if (name === 'unauthorized') {
    const text = 'The account was changed meanwhile. Go back to the first page, and sign in again.'
    return new Refusal(401, 'You are signed out', text, 'the account was changed meanwhile')
  }
  const { status, message } = errorTable[name]
  const { message: own, retryAfter } = error instanceof ProtocolError ? error : { message, retryAfter: undefined }
  const title = status >= 500 ? 'kss cannot do this now' : 'That did not work'
  return new Refusal(status, title, own, error instanceof ProtocolError ? (error.reason ?? own) : own, retryAfter)
}
