import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'

/** Content type 22 and major version 3: how a TLS connection begins. RFC 8446 §5.1 */
const handshake = Buffer.from([22, 3])

/**
 * Logs clients that use this http port for https, or as an HTTP proxy: the reader's screen says only that it failed.
 * `onWrong` is called with their addresses.
 */
export function logWrongProtocols(
  server: Server,
  logger: FastifyBaseLogger,
  onWrong: (kind: 'tls' | 'httpProxy', address: string) => void,
): void {
  // Before the listener that answers and closes the socket, which then has no address any more.
  server.prependListener('clientError', ({ rawPacket }: { rawPacket?: Buffer }, socket: Socket) => {
    if (!rawPacket?.subarray(0, handshake.length).equals(handshake)) return
    onWrong('tls', String(socket.remoteAddress))
    const todo = 'Type http:// on the reader, or the https:// address of a reverse proxy in front of kss.'
    logger.warn(`${socket.remoteAddress} asks for https://, and this port has plain http. ${todo}`)
  })
  server.prependListener('connect', (_request, socket: Socket) => {
    onWrong('httpProxy', String(socket.remoteAddress))
    const todo = 'Turn the HTTP proxy off in the network settings of the reader.'
    logger.warn(`${socket.remoteAddress} sends CONNECT: it takes kss for an HTTP proxy. ${todo}`)
  })
}
