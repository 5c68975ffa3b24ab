import type { FastifyReply, FastifyRequest, RouteGenericInterface } from 'fastify'
import type { Accounts } from '../accounts/accounts.ts'
import { readCredentials } from './credentials.ts'
import { ProtocolError } from './protocol-error.ts'
import { key as keySchema, username as nameSchema, type ErrorName } from './protocol.ts'
import type { Account } from '../store/store.ts'

/** Called with each request whose credentials are right, before its body is read. */
export type OnAuthorized = (request: FastifyRequest, reply: FastifyReply) => void

type Done = (error?: Error) => void

/** What a request that needs a log-in gets besides: the account that it acts for. */
type Authenticated<Route extends RouteGenericInterface> = (
  account: Account,
  request: FastifyRequest<Route>,
  reply: FastifyReply,
) => unknown

/** The hook and the handler of a route that needs a log-in. */
interface AuthenticatedRoute<Route extends RouteGenericInterface> {
  onRequest: (request: FastifyRequest, reply: FastifyReply, done: Done) => void
  handler: (request: FastifyRequest<Route>, reply: FastifyReply) => unknown
}

/** Verifies the credentials that requests carry in their headers. */
export class Auth {
  readonly #accounts: Accounts
  readonly #onAuthorized: OnAuthorized | undefined

  constructor(accounts: Accounts, onAuthorized?: OnAuthorized) {
    this.#accounts = accounts
    this.#onAuthorized = onAuthorized
  }

  /**
   * A route that needs a log-in: it ends in `whenUnknown` where there is no such account, else in `unauthorized`, before
   * the body is read. DELETE /users/me says `accountNotFound`: a client whose first answer was lost must see that the
   * account is gone. Nobody is adopted for that. @see PROTOCOL.md §2
   */
  authenticated<Route extends RouteGenericInterface>(
    act: Authenticated<Route>,
    whenUnknown: ErrorName = 'unauthorized',
  ): AuthenticatedRoute<Route> {
    return {
      onRequest: (request, reply, done) => this.#authorize(request, reply, whenUnknown, done),
      handler: (request, reply) => act(request.account!, request, reply),
    }
  }

  #authorize(request: FastifyRequest, reply: FastifyReply, whenUnknown: ErrorName, done: Done): void {
    const credentials = readCredentials(request.headers)
    // What can be nobody's is looked up nowhere: it would fill the memory.
    if (
      !credentials ||
      credentials.username.length > nameSchema.maxLength ||
      credentials.key.length > keySchema.maxLength
    ) {
      const reason = credentials ? 'the name or the key is too long' : 'there is no name and key'
      done(new ProtocolError('unauthorized', undefined, reason))
      return
    }
    const verified = this.#accounts.verify(credentials, request, whenUnknown)
    if (verified instanceof Promise) {
      request.note = { user: credentials.username }
      request.checkedSince = performance.now()
      verified.then((account) => this.#goOn(account, request, reply, done), done)
    } else this.#goOn(verified, request, reply, done)
  }

  #goOn(account: Account, request: FastifyRequest, reply: FastifyReply, done: Done): void {
    request.account = account
    this.#onAuthorized?.(request, reply)
    done()
  }
}
