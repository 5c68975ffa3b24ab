import type { ServerResponse } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { addressList, clientOf } from '../client-address.ts'
import type { AnswerRaw } from '../kosync/errors.ts'

/** The connections of a client, each with the response to its newest authenticated request. The longest without one is first. */
type Connections = Map<Socket, ServerResponse | undefined>

export interface ConnectionLimitOptions {
  /** Connections that a client may have; 0 for any number. */
  max: number
  /** Their connections are of many clients, and have no limit. */
  trustedProxies: string[]
  answer: AnswerRaw
}

/**
 * A client has at most `max` connections. One more takes the place of one without an authenticated request in flight, so
 * that slow or idle connections of strangers never keep out an owner behind the same address: of one that was never
 * authenticated while these are more than half, else of the one that waits longest. It is refused where all are busy. Call the returned function for each authenticated request before its body is read.
 */
export function limitConnections(
  servers: Server[],
  { max, trustedProxies, answer }: ConnectionLimitOptions,
): (socket: Socket, response: ServerResponse) => void {
  const isProxy = addressList(trustedProxies)
  const clients = new Map<string, Connections>()
  const clientsOf = new WeakMap<Socket, Connections>()
  if (max > 0) for (const server of servers) server.on('connection', onConnection)
  return (socket, response) => {
    const connections = clientsOf.get(socket)
    // It may have closed while the log-in was checked.
    if (!connections?.delete(socket)) return
    connections.set(socket, response)
  }

  function onConnection(socket: Socket): void {
    const { remoteAddress } = socket
    // Of a TLS connection the one below it counts, since before the handshake.
    if ((socket as Partial<TLSSocket>).encrypted) return
    // Gone already.
    if (remoteAddress === undefined || isProxy(remoteAddress)) return
    const name = clientOf(remoteAddress)
    const connections = clients.get(name) ?? new Map<Socket, undefined>()
    if (connections.size >= max && !closeOldest(connections)) {
      answer(socket, 'tooManyConnections')
      return
    }
    clients.set(name, connections)
    clientsOf.set(socket, connections)
    connections.set(socket, undefined)
    socket.once('close', () => {
      connections.delete(socket)
      if (connections.size === 0) clients.delete(name)
    })
  }
}

/** Without an answer, which a client that has sent nothing yet would take for that of its next request. */
function closeOldest(connections: Connections): boolean {
  // Responses end in their order: where the newest one has ended, all have.
  const waiting = [...connections].filter(([, response]) => !response || response.closed)
  const strangers = waiting.filter(([, response]) => !response)
  // Not strangers alone: where nearly all are authenticated, a new one would go before it can send its request.
  const [oldest] = strangers.length > connections.size / 2 ? strangers : waiting
  if (!oldest) return false
  const [socket] = oldest
  connections.delete(socket)
  socket.destroy()
  return true
}
