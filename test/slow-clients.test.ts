import { connect, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { build, position, Reader } from './helper.ts'
import { until } from './until.ts'

interface Kind {
  name: string
  clients: number
  /** What a client does once it is connected. */
  act: (socket: Socket) => void
  /** The statuses of all that a client reads; empty where it reads nothing. */
  answers: string
}

/** So large that the answers do not fit into what the system keeps for a connection: some MiB. */
const book = { ...position, progress: 'x'.repeat(15_000) }
const pulls = 1000

const app = build(t)
const reader = new Reader(app)
await app.listen({ host: '127.0.0.1', port: 0 })
const { port } = app.server.address() as AddressInfo
await reader.register()
await reader.update(book)

const credentials = `x-auth-user: ${reader.username}\r\nx-auth-key: ${reader.key}\r\n`
const pull = `GET /syncs/progress/${book.document} HTTP/1.1\r\nHost: kss\r\n${credentials}\r\n`
const put = 'PUT /syncs/progress HTTP/1.1\r\nHost: kss\r\n'

const kinds: Kind[] = [
  { name: 'send nothing', clients: 60, act: () => undefined, answers: '408' },
  {
    name: 'send a header byte by byte',
    clients: 60,
    act: (socket) => dribble(socket, `GET /healthcheck HTTP/1.1\r\nHost: kss\r\n${credentials}X-Slow: `),
    answers: '408',
  },
  {
    name: 'send a body byte by byte',
    clients: 60,
    act: (socket) => dribble(socket, `${put}${credentials}Content-Length: 10000\r\n\r\n{`),
    answers: '408',
  },
  {
    name: 'send a chunk byte by byte',
    clients: 60,
    act: (socket) => dribble(socket, `${put}${credentials}Transfer-Encoding: chunked\r\n\r\nff\r\n{`),
    answers: '408',
  },
  {
    name: 'send a body byte by byte that nobody reads',
    clients: 60,
    act: (socket) => dribble(socket, `${put}Content-Length: 10000\r\n\r\n{`),
    answers: '401 408',
  },
  { name: 'ask once and stay', clients: 60, act: (socket) => socket.write(pull), answers: '200' },
  {
    name: 'ask and ask, and never read',
    clients: 20,
    act: (socket) => socket.pause().write(pull.repeat(pulls)),
    answers: '',
  },
]

/** The server's ends of the connections, by the client's port: a client that does not read would not notice the end. */
const open = new Map<number, Socket>()
app.server.on('connection', (socket) => {
  const { remotePort = 0 } = socket
  open.set(remotePort, socket)
  socket.once('close', () => open.delete(remotePort))
})

class Client {
  /** Resolves to the statuses that it read. */
  readonly closed: Promise<string>
  readonly #socket = connect(port, '127.0.0.1')
  #localPort = 0

  constructor(act: Kind['act']) {
    let received = ''
    this.#socket.on('data', (bytes) => (received += bytes.toString('latin1')))
    this.#socket.on('error', () => undefined)
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', () => resolve(statusesOf(received)))
    })
    this.#socket.once('connect', () => {
      this.#localPort = this.#socket.localPort ?? 0
      act(this.#socket)
    })
  }

  hangUp(): void {
    this.#socket.destroy()
  }

  /** The server's end; undefined once it is closed. */
  get serverSocket(): Socket | undefined {
    return open.get(this.#localPort)
  }
}

const groups = kinds.map((kind) => ({ ...kind, all: Array.from({ length: kind.clients }, () => new Client(kind.act)) }))
const clients = groups.flatMap((group) => group.all)
await until(() => open.size === clients.length)
const readers = pullWhile(() => clients.some((client) => client.serverSocket))

t.teardown(() => clients.forEach((client) => client.hangUp()))

t.test('a request may take 10 seconds, and a connection may be idle for 12', async (t) => {
  t.match(app.server, { headersTimeout: 10_000, requestTimeout: 10_000, timeout: 12_000 })
})

t.test('answers wait in the server for those who do not read', async (t) => {
  const { all } = groups.at(-1)!
  await until(() => all.every((client) => (client.serverSocket?.writableLength ?? 0) > 0))
  t.pass()
})

for (const { name, answers, all } of groups) {
  t.test(`${all.length} clients that ${name} are closed`, async (t) => {
    await until(() => all.every((client) => client.serverSocket === undefined))
    if (answers !== '') t.same(new Set(await Promise.all(all.map((client) => client.closed))), new Set([answers]))
    else t.pass()
  })
}

t.test('meanwhile readers are answered', async (t) => {
  const seen = await readers
  t.same(new Set(seen), new Set([200]))
})

/** Sends the start, and then a byte a second. */
function dribble(socket: Socket, start: string): void {
  socket.write(start)
  const timer = setInterval(() => socket.write('x'), 1000)
  socket.once('close', () => clearInterval(timer))
}

function statusesOf(received: string): string {
  return Array.from(received.matchAll(/HTTP\/1\.1 (\d+) /g), ([, status]) => status).join(' ')
}

/** Asks for the book again and again, over a connection of its own each time; resolves to the statuses. */
async function pullWhile(more: () => boolean): Promise<number[]> {
  const headers = { 'x-auth-user': reader.username, 'x-auth-key': reader.key, connection: 'close' }
  const statuses: number[] = []
  while (more()) {
    const response = await fetch(`http://127.0.0.1:${port}/syncs/progress/${book.document}`, { headers })
    await response.text()
    statuses.push(response.status)
    await sleep(100)
  }
  return statuses
}
