import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import type { AnswerInTime } from './answer-in-time.ts'
import type { Auth } from './auth.ts'
import { trimBlanks } from './credentials.ts'
import { isV1 } from './errors.ts'
import { createPendingBodies } from './pending-bodies.ts'
import { ProtocolError } from './protocol-error.ts'
import {
  authorizedReply,
  deletedReply,
  passwordChange,
  registeredReply,
  registration,
  updatedReply,
  type PasswordChange,
  type RegistrationBody,
} from './protocol.ts'
import { isRegistrationOpen } from '../accounts/registration.ts'
import type { Account, Registration, Store } from '../store/store.ts'

export interface UsersOptions {
  store: Store
  auth: Auth
  inTime: AnswerInTime
  disableRegistration: boolean
  /** Milliseconds since 1970. */
  now: () => number
}

/** The accounts: /users/create, /users/auth, /users/password and /users/me. @see PROTOCOL.md §1 */
export const users: FastifyPluginAsync<UsersOptions> = async (app, options) => {
  const { store, auth, inTime } = options
  addRegistration(app, options)

  app.get('/users/auth', {
    schema: { response: { 200: authorizedReply } },
    ...auth.authenticated((_account, _request, reply) => {
      reply.send({ authorized: 'OK' })
    }),
  })

  app.put<{ Body: PasswordChange }>('/users/password', {
    schema: { body: passwordChange, response: { 200: updatedReply } },
    ...inTime,
    ...auth.authenticated<{ Body: PasswordChange }>(async (account, request) => {
      await auth.changeKey(account, request.body.password)
      return { updated: true }
    }),
  })

  app.delete('/users/me', {
    schema: { response: { 200: deletedReply } },
    ...inTime,
    ...auth.authenticated(async (account) => {
      await deleteUser(store, account)
      return { deleted: true }
    }, 'accountNotFound'),
  })
}

function addRegistration(app: FastifyInstance, { store, auth, inTime, disableRegistration, now }: UsersOptions): void {
  const isOpen = (said: Registration): boolean => isRegistrationOpen(said, disableRegistration, now())

  app.post<{ Body: RegistrationBody }>(
    '/users/create',
    {
      schema: { body: registration, response: { 201: registeredReply } },
      ...inTime,
      // Before the body is read, unless somebody is invited, whose name is in it.
      onRequest: async (request) => {
        const said = await store.getRegistration()
        if (!isOpen(said) && said.invited.length === 0) throw new ProtocolError(disabledFor(request))
      },
      preParsing: createPendingBodies(),
    },
    async (request, reply) => {
      const username = trimBlanks(request.body.username)
      request.note = { user: username }
      if (username === '') throw new ProtocolError('invalidRequest')
      const said = await store.getRegistration()
      const mayRegister = isOpen(said) || said.invited.includes(username)
      if (!mayRegister) await limited(request, auth.countRefusedRegistration(request))
      if (!mayRegister) throw new ProtocolError(disabledFor(request))
      const isNew = await limited(request, auth.register(username, request.body.password, request))
      if (!isNew) throw new ProtocolError('userExists')
      return await reply.code(201).send({ username })
    },
  )
}

/** Throws `accountNotFound` when the account is gone already, as for a client whose first answer was lost. */
async function deleteUser(store: Store, account: Account): Promise<void> {
  try {
    await store.deleteUser(account)
  } catch (error) {
    throw (error as { isGone?: boolean }).isGone ? new ProtocolError('accountNotFound') : error
  }
}

/** A v1 client is told of the limit with a 402, for the same reason as in `disabledFor`. */
async function limited<T>(request: FastifyRequest, registered: Promise<T>): Promise<T> {
  try {
    return await registered
  } catch (error) {
    const isLimit = error instanceof ProtocolError && error.error === 'tooManyAttempts' && isV1(request)
    throw isLimit ? new ProtocolError('tooManyRegistrationsV1', error.retryAfter) : error
  }
}

/** Only a v1 client is told with a 402: its screen shows the message of no other status. @see PROTOCOL.md §2 */
function disabledFor(request: FastifyRequest): 'registrationDisabled' | 'registrationDisabledV1' {
  return isV1(request) ? 'registrationDisabledV1' : 'registrationDisabled'
}
