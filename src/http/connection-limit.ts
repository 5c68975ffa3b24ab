import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { addressList, clientOf } from '../client-address.ts'
import type { AnswerRaw } from '../kosync/errors.ts'

/** The connections of a client. */
interface Client {
  /** Those without an authenticated request in flight; the one that had none for the longest time first. */
  waiting: Set<Socket>
  /** The others, with the number of such requests: more than one when they are pipelined. */
  busy: Map<Socket, number>
}

/**
 * A client has at most `max` connections (0: any number); those of trusted proxies are of many clients. One more takes
 * the place of one that waits, so that slow or idle connections of strangers never keep out an owner behind the same
 * address. It is refused where all are busy.
 */
export function limitConnections(app: FastifyInstance, max: number, trustedProxies: string[], answer: AnswerRaw): void {
  if (max === 0) return
  const isProxy = addressList(trustedProxies)
  const clients = new Map<string, Client>()
  const clientsOf = new WeakMap<Socket, Client>()
  app.server.on('connection', (socket) => {
    const { remoteAddress } = socket
    // Gone already.
    if (remoteAddress === undefined || isProxy(remoteAddress)) return
    const name = clientOf(remoteAddress)
    const client = clients.get(name) ?? { waiting: new Set(), busy: new Map() }
    const { waiting, busy } = client
    if (waiting.size + busy.size >= max && !closeOldest(waiting)) {
      answer(socket, 'tooManyConnections')
      return
    }
    clients.set(name, client)
    clientsOf.set(socket, client)
    waiting.add(socket)
    socket.once('close', () => {
      waiting.delete(socket)
      busy.delete(socket)
      if (waiting.size + busy.size === 0) clients.delete(name)
    })
  })
  watchRequests(app, clientsOf)
}

/** Without an answer, which a client that has sent nothing yet would take for that of its next request. */
function closeOldest(waiting: Set<Socket>): boolean {
  const [oldest] = waiting
  if (!oldest) return false
  waiting.delete(oldest)
  oldest.destroy()
  return true
}

/** Keeps apart what is busy and what waits. */
function watchRequests(app: FastifyInstance, clientsOf: WeakMap<Socket, Client>): void {
  // The first hook after the log-in, and before the body.
  app.addHook('preParsing', ({ account, socket }, _reply, _payload, done) => {
    const client = clientsOf.get(socket)
    // It may have closed while the log-in was checked.
    if (account && client && !socket.destroyed) {
      client.waiting.delete(socket)
      client.busy.set(socket, (client.busy.get(socket) ?? 0) + 1)
    }
    done()
  })
  app.addHook('onResponse', ({ account, socket }, _reply, done) => {
    const client = clientsOf.get(socket)
    const requests = account && client?.busy.get(socket)
    if (requests === 1) {
      client!.busy.delete(socket)
      client!.waiting.add(socket)
    } else if (requests) client!.busy.set(socket, requests - 1)
    done()
  })
}
