import type { FastifyBaseLogger, FastifyPluginAsync } from 'fastify'
import { createAnswerInTime } from './answer-in-time.ts'
import { Auth, type AuthOptions, type OnAuthorized } from './auth.ts'
import { setUpContext, type ContextOptions } from './context.ts'
import { healthcheck } from './healthcheck.ts'
import { addOtherMethods } from './other-methods.ts'
import { syncs, type FindMissing } from './syncs.ts'
import { users } from './users.ts'
import type { Adopt } from '../accounts/authenticator.ts'
import type { VerifiedKeys } from '../accounts/verified-keys.ts'
import type { Store } from '../store/store.ts'

export interface KosyncOptions extends ContextOptions {
  store: Store
  logger: FastifyBaseLogger
  auth: AuthOptions
  disableRegistration: boolean
  /** Makes accounts for those whom the store does not know. */
  adopt?: Adopt | undefined
  /** Asked for documents that the store has no record of. */
  findMissing?: FindMissing | undefined
  /** Told of each request whose credentials are right, before its body is read. */
  onAuthorized?: OnAuthorized
  /** Keys that count as verified already. */
  verified?: VerifiedKeys | undefined
  /** Milliseconds after which a change that the disk holds up is answered. */
  patience: number
  /** Milliseconds since 1970. */
  now: () => number
}

/** The KOReader sync protocol, with its own parser, headers, errors and hooks. @see PROTOCOL.md */
export const kosync: FastifyPluginAsync<KosyncOptions> = async (app, options) => {
  const { store, disableRegistration, findMissing, patience, now } = options
  const auth = new Auth(options)
  const inTime = createAnswerInTime(patience)
  setUpContext(app, options)
  app.register(healthcheck)
  app.register(users, { store, auth, inTime, disableRegistration, now })
  app.register(syncs, { store, auth, inTime, findMissing, now })
  addOtherMethods(app, '/healthcheck', ['GET', 'HEAD'])
  addOtherMethods(app, '/users/create', ['POST'])
  addOtherMethods(app, '/users/auth', ['GET', 'HEAD'])
  addOtherMethods(app, '/users/password', ['PUT'])
  addOtherMethods(app, '/users/me', ['DELETE'])
  addOtherMethods(app, '/syncs/progress', ['PUT'])
  addOtherMethods(app, '/syncs/progress/*', ['GET', 'HEAD'])
}
