// Clients that hold connections, in a process of their own. A message starts them; one comes back when all have acted,
// and one when the server has closed them all.
import { connect, type Socket } from 'node:net'

export const kinds = ['silent', 'headers', 'body', 'idle', 'unread'] as const

export type Kind = (typeof kinds)[number]

export interface Siege {
  port: number
  /** Of each kind. */
  sockets: Record<Kind, number>
  /** The clients' addresses are 127.<network>.0.x. */
  network: number
  /** A GET whose answer has some KiB, up to the empty line. */
  pull: string
  /** The start of a PUT, likewise. */
  push: string
}

export interface SiegeResult {
  /** Connections that never came to be. */
  refused: number
  /** Of each kind, the most milliseconds from a connection to its end. */
  closedAfter: Record<Kind, number>
}

/** Sockets of one address. */
const perAddress = 500

/** Sockets that connect at the same time. */
const atOnce = 50

/** Requests of a client that reads no answer: together more than the system keeps for a connection, which is some MiB. */
const unreadPulls = 500

process.on('message', (siege: Siege) => {
  void run(siege)
})

async function run(siege: Siege): Promise<void> {
  const result: SiegeResult = { refused: 0, closedAfter: { silent: 0, headers: 0, body: 0, idle: 0, unread: 0 } }
  const all: Promise<number>[] = []
  const waiting = kinds.flatMap((kind) => Array.from({ length: siege.sockets[kind] }, () => kind)).entries()
  const openNext = async (): Promise<void> => {
    for (const [at, kind] of waiting) {
      const socket = await open(siege.port, `127.${siege.network}.0.${1 + Math.floor(at / perAddress)}`)
      if (!socket) {
        result.refused++
        continue
      }
      all.push(lifeOf(socket).then((ms) => (result.closedAfter[kind] = Math.max(result.closedAfter[kind], ms))))
      act(kind, socket, siege)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, openNext))
  process.send?.({ open: all.length })
  await Promise.all(all)
  process.send?.({ result })
}

function open(port: number, localAddress: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    socket.once('connect', () => resolve(socket))
    socket.once('close', () => resolve(undefined))
    // The end comes after it.
    socket.on('error', () => undefined)
  })
}

function lifeOf(socket: Socket): Promise<number> {
  const opened = performance.now()
  return new Promise((resolve) => socket.once('close', () => resolve(performance.now() - opened)))
}

function act(kind: Kind, socket: Socket, { pull, push }: Siege): void {
  if (kind === 'unread') {
    socket.pause()
    // One that does not read is told of the end only when it writes.
    dribble(socket, `${pull}\r\n`.repeat(unreadPulls))
    return
  }
  socket.resume()
  if (kind === 'headers') dribble(socket, `${pull}X-Slow: `)
  if (kind === 'body') dribble(socket, `${push}Content-Length: 10000\r\n\r\n{`)
  if (kind === 'idle') socket.write(`${pull}\r\n`)
}

/** Sends the start, and then a byte a second. */
function dribble(socket: Socket, start: string): void {
  socket.write(start)
  const timer = setInterval(() => socket.write('x'), 1000)
  socket.once('close', () => clearInterval(timer))
}
