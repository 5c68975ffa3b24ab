/** Why a request to Audiobookshelf gave nothing. */
export type FailureKind =
  | 'unreachable'
  | 'timeout'
  | 'tls'
  | 'refusedKey'
  | 'forbidden'
  | 'notFound'
  | 'badRequest'
  | 'tooManyRequests'
  | 'serverError'
  | 'notJson'
  | 'tooLarge'
  | 'redirect'

/** A request that failed: a value, never thrown. `text` is one line for a person, without any secret. */
export class Failure {
  readonly kind: FailureKind
  readonly text: string
  /** Seconds that Audiobookshelf wants to be left alone, if it said so. */
  readonly retryAfter: number | undefined

  constructor(kind: FailureKind, text: string, retryAfter?: number) {
    this.kind = kind
    this.text = text
    this.retryAfter = retryAfter
  }

  /** Whether it says something of the server and not of one user or item: then no request is of use now. */
  get isOutage(): boolean {
    return outages.has(this.kind)
  }
}

const outages = new Set<FailureKind>(['unreachable', 'timeout', 'tls', 'tooManyRequests', 'redirect'])

export function isFailure(value: unknown): value is Failure {
  return value instanceof Failure
}
