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
import type { Accounts } from '../accounts/accounts.ts'
import type { Account, Store } from '../store/store.ts'

export interface UsersOptions {
  store: Store
  accounts: Accounts
  auth: Auth
  inTime: AnswerInTime
}

/** The accounts: /users/create, /users/auth, /users/password and /users/me. @see PROTOCOL.md §1 */
export const users: FastifyPluginAsync<UsersOptions> = async (app, options) => {
  const { store, accounts, auth, inTime } = options
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
      await accounts.changeKey(account, request.body.password)
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

function addRegistration(app: FastifyInstance, { accounts, inTime }: UsersOptions): void {
  app.post<{ Body: RegistrationBody }>(
    '/users/create',
    {
      schema: { body: registration, response: { 201: registeredReply } },
      ...inTime,
      // Before the body is read; but while somebody is invited, the body must be read for the user name.
      onRequest: async (request) => {
        if ((await accounts.registration()) === 'closed')
          throw forClient(request, new ProtocolError('registrationDisabled'))
      },
      preParsing: createPendingBodies(),
    },
    async (request, reply) => {
      const username = trimBlanks(request.body.username)
      request.note = { user: username }
      if (username === '') throw new ProtocolError('invalidRequest')
      await accounts.register({ username, key: request.body.password }, request).catch((error: unknown) => {
        throw forClient(request, error)
      })
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

/** A v1 client is told with a 402: its screen shows the message of no other status. @see PROTOCOL.md §2 */
function forClient(request: FastifyRequest, error: unknown): unknown {
  if (!(error instanceof ProtocolError) || !isV1(request)) return error
  if (error.error === 'registrationDisabled') return new ProtocolError('registrationDisabledV1')
  return error.error === 'tooManyAttempts' ? new ProtocolError('tooManyRegistrationsV1', error.retryAfter) : error
}
