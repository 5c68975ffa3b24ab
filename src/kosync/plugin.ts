import type { FastifyPluginAsync } from 'fastify'
import { createAnswerInTime } from './answer-in-time.ts'
import { Auth, type OnAuthorized } from './auth.ts'
import { setUpContext, type ContextOptions } from './context.ts'
import { healthcheck } from './healthcheck.ts'
import { addOtherMethods } from './other-methods.ts'
import { syncs, type FindMissing } from './syncs.ts'
import { users } from './users.ts'
import type { Accounts } from '../accounts/accounts.ts'
import type { Store } from '../store/store.ts'

export interface KosyncOptions extends ContextOptions {
  store: Store
  accounts: Accounts
  /** Asked for documents that the store has no record of. */
  findMissing?: FindMissing | undefined
  /** Called with each request whose credentials are right, before its body is read. */
  onAuthorized?: OnAuthorized
  /** Milliseconds after which a change that the disk holds up is answered. */
  patience: number
  /** Milliseconds since 1970. */
  now: () => number
}

/** The KOReader sync protocol, with its own parser, headers, errors and hooks. @see PROTOCOL.md */
export const kosync: FastifyPluginAsync<KosyncOptions> = async (app, options) => {
  const { store, accounts, onAuthorized, findMissing, patience, now } = options
  const auth = new Auth(accounts, onAuthorized)
  const inTime = createAnswerInTime(patience)
  setUpContext(app, options)
  app.register(healthcheck)
  app.register(users, { store, accounts, auth, inTime })
  app.register(syncs, { store, auth, inTime, findMissing, now })
  addOtherMethods(app, '/healthcheck', ['GET', 'HEAD'])
  addOtherMethods(app, '/users/create', ['POST'])
  addOtherMethods(app, '/users/auth', ['GET', 'HEAD'])
  addOtherMethods(app, '/users/password', ['PUT'])
  addOtherMethods(app, '/users/me', ['DELETE'])
  addOtherMethods(app, '/syncs/progress', ['PUT'])
  addOtherMethods(app, '/syncs/progress/*', ['GET', 'HEAD'])
}
