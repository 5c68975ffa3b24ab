import type { Server } from 'node:http'
import { addressList, clientOf } from './client-address.ts'
import type { AnswerRaw } from './errors.ts'

/** Refuses connections of a client that has `max` open (0: never); those of trusted proxies are of many clients. */
export function limitConnections(server: Server, max: number, trustedProxies: string[], answer: AnswerRaw): void {
  if (max === 0) return
  const isProxy = addressList(trustedProxies)
  const open = new Map<string, number>()
  server.on('connection', (socket) => {
    const { remoteAddress } = socket
    // Gone already.
    if (remoteAddress === undefined || isProxy(remoteAddress)) return
    const client = clientOf(remoteAddress)
    const count = open.get(client) ?? 0
    if (count >= max) {
      answer(socket, 'tooManyConnections')
      return
    }
    open.set(client, count + 1)
    socket.once('close', () => {
      const left = open.get(client)! - 1
      if (left > 0) open.set(client, left)
      else open.delete(client)
    })
  })
}
