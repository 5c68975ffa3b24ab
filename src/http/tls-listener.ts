import type { Server } from 'node:http'
import type { Server as NetServer, Socket } from 'node:net'
import { createServer, type SecureContextOptions } from 'node:tls'
import type { FastifyBaseLogger } from 'fastify'
import type { AnswerRaw } from '../kosync/errors.ts'

/** The port of https: what it decrypts, the HTTP server serves as a connection of its own. */
export interface TlsListener {
  server: NetServer
  /** For connections from now on; throws for a certificate that cannot be used. */
  setCertificate: (certificate: SecureContextOptions) => void
  /** Hands connections to the HTTP server, whose limits then hold for them. */
  serve: (http: Server, options: TlsServeOptions) => void
  /** The connection below a TLS one; any other one itself. */
  belowTls: (socket: Socket) => Socket
  /** Takes no more connections, and ends those whose handshake is not done. */
  stop: () => void
}

export interface TlsServeOptions {
  answer: AnswerRaw
  logger: FastifyBaseLogger
  /** Whether the HTTP server has a port of its own, too. */
  besideHttp: boolean
  /** Told the address of who asks for http. */
  onHttp: (address: string) => void
}

/** Milliseconds for the handshake, a connection without a byte included. */
const patience = 10_000

/** Readers know no HTTP/2. TLS 1.2 is what those of the last ten years know. */
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
        // Node leaves open what took too long.
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
  /** The connection below a TLS one; undefined when it is closed. */
  find: (secure: Socket) => Socket | undefined
  /** The same, when the handshake is done. */
  endHandshake: (secure: Socket) => Socket | undefined
  destroyHandshakes: () => void
}

/** The open connections by their ends: TLS names none that it is on. */
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

/** TLS has read the request, and says no more than that. */
function refuseHttp(socket: Socket | undefined, { answer, logger, onHttp }: TlsServeOptions): void {
  if (!socket) return
  onHttp(String(socket.remoteAddress))
  logger.warn(`${socket.remoteAddress} asks for http://, and this port has https. Type https:// on the reader.`)
  answer(socket, 'httpsOnly')
}

function endsOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`
}
