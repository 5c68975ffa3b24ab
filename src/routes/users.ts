import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import type { Auth } from '../auth.ts'
import { trimBlanks } from '../credentials.ts'
import { ProtocolError } from '../errors.ts'
import {
  authorizedReply,
  deletedReply,
  passwordChange,
  registeredReply,
  registration,
  updatedReply,
  vendorMediaType,
  type PasswordChange,
  type Registration,
} from '../protocol.ts'
import type { Store } from '../store/store.ts'

export interface UsersOptions {
  store: Store
  auth: Auth
  disableRegistration: boolean
}

/** The accounts: /users/create, /users/auth, /users/password and /users/me. @see PROTOCOL.md §1 */
export const users: FastifyPluginAsync<UsersOptions> = async (app, { store, auth, disableRegistration }) => {
  app.post<{ Body: Registration }>(
    '/users/create',
    {
      schema: { body: registration, response: { 201: registeredReply } },
      onRequest: async (request) => {
        if (disableRegistration) throw new ProtocolError(disabledFor(request))
      },
    },
    async (request, reply) => {
      const username = trimBlanks(request.body.username)
      if (username === '') throw new ProtocolError('invalidRequest')
      if (!(await auth.register(username, request.body.password, request))) throw new ProtocolError('userExists')
      return await reply.code(201).send({ username })
    },
  )

  app.get(
    '/users/auth',
    { onRequest: auth.require, schema: { response: { 200: authorizedReply } } },
    (_request, reply) => {
      reply.send({ authorized: 'OK' })
    },
  )

  app.put<{ Body: PasswordChange }>(
    '/users/password',
    { onRequest: auth.require, schema: { body: passwordChange, response: { 200: updatedReply } } },
    async (request) => {
      await auth.changeKey(request.user, request.body.password)
      return { updated: true }
    },
  )

  app.delete(
    '/users/me',
    { onRequest: auth.requireForDeletion, schema: { response: { 200: deletedReply } } },
    async (request) => {
      if (!(await store.deleteUser(request.user))) throw new ProtocolError('accountNotFound')
      return { deleted: true }
    },
  )
}

/** Only a v1 client is told with a 402: its screen shows the message of no other status. @see PROTOCOL.md §2 */
function disabledFor(request: FastifyRequest): 'registrationDisabled' | 'registrationDisabledV1' {
  return request.headers.accept?.includes(vendorMediaType) ? 'registrationDisabledV1' : 'registrationDisabled'
}
