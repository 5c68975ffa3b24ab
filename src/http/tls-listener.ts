import type { Server } from 'node:http'
import type { Server as NetServer, Socket } from 'node:net'
import { createServer, type SecureContextOptions } from 'node:tls'
import type { FastifyBaseLogger } from 'fastify'
import type { AnswerRaw } from '../kosync/errors.ts'

/** Listens on the port of https, and hands each decrypted connection to the HTTP server. */
export interface TlsListener {
  server: NetServer
  /** For connections from now on; throws for a certificate that cannot be used. */
  setCertificate: (certificate: SecureContextOptions) => void
  /** Hands connections to the HTTP server, whose limits then hold for them. */
  serve: (http: Server, options: TlsServeOptions) => void
  /** The TCP connection below a TLS connection; any other connection is returned as it is. */
  belowTls: (socket: Socket) => Socket
  /** Accepts no more connections, and ends those whose handshake is not done. */
  stop: () => void
}

export interface TlsServeOptions {
  answer: AnswerRaw
  logger: FastifyBaseLogger
  /** Whether the HTTP server has a port of its own, too. */
  besideHttp: boolean
  /** Called with the address of a client that speaks http to this port. */
  onHttp: (address: string) => void
}

/** Milliseconds for the handshake, a connection without a byte included. */
const patience = 10_000

/** KOReader does not speak HTTP/2. Readers of the last ten years speak TLS 1.2. */
const fixed = { ALPNProtocols: ['http/1.1'], minVersion: 'TLSv1.2', noDelay: true } as const

export function createTlsListener(certificate: SecureContextOptions, handshakeTimeout = patience): TlsListener {
  const server = createServer({ ...fixed, ...certificate, handshakeTimeout })
  const connections = watchConnections(server)
  const below = new WeakMap<Socket, Socket>()
  return {
    server,
    setCertificate: (next) => server.setSecureContext({ ...fixed, ...next }),
    belowTls: (socket) => below.get(socket) ?? socket,
    serve: (http, options) => {
      server.on('secureConnection', (secure) => {
        const socket = connections.endHandshake(secure)
        // A client that is gone already has no address.
        if (!socket) return
        below.set(secure, socket)
        http.emit('connection', secure)
      })
      server.on('tlsClientError', (error: NodeJS.ErrnoException, secure) => {
        if (error.code === 'ERR_SSL_HTTP_REQUEST') refuseHttp(connections.find(secure), options)
        // After a handshake that took too long, Node leaves the connection open.
        secure.destroy()
      })
      // So that Node watches the times of the connections, as after listen().
      if (!options.besideHttp) server.once('listening', () => http.emit('listening'))
    },
    stop: () => {
      server.close()
      connections.destroyHandshakes()
    },
  }
}

interface Connections {
  /** The TCP connection below a TLS connection; undefined when it is closed. */
  find: (secure: Socket) => Socket | undefined
  /** Like find, and notes that the handshake is done. */
  endHandshake: (secure: Socket) => Socket | undefined
  destroyHandshakes: () => void
}

/** The open TCP connections by their addresses and ports: Node does not tell on which of them a TLS connection is. */
function watchConnections(server: NetServer): Connections {
  const connections = new Map<string, Socket>()
  const handshakes = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    const ends = endsOf(socket)
    connections.set(ends, socket)
    handshakes.add(socket)
    socket.once('close', () => {
      handshakes.delete(socket)
      if (connections.get(ends) === socket) connections.delete(ends)
    })
  })
  const find = (secure: Socket): Socket | undefined => connections.get(endsOf(secure))
  return {
    find,
    endHandshake: (secure) => {
      const socket = find(secure)
      if (socket) handshakes.delete(socket)
      return socket
    },
    destroyHandshakes: () => handshakes.forEach((socket) => socket.destroy()),
  }
}

/** Tells a client that speaks http to use https. The TLS socket has consumed its request, so nothing is known of it. */
function refuseHttp(socket: Socket | undefined, { answer, logger, onHttp }: TlsServeOptions): void {
  if (!socket) return
  onHttp(String(socket.remoteAddress))
  logger.warn(`${socket.remoteAddress} asks for http://, and this port has https. Type https:// on the reader.`)
  answer(socket, 'httpsOnly')
}

function endsOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`
}
