// The load generator, a process of its own: a raw socket a connection, so that it costs less than any server under
// test. A connection sends its next request when the last one is answered: readers do not pipeline.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { answerLength } from './answer.ts'

export interface Load {
  port: number
  /** Sent in turn, by whichever connection is free. */
  requests: string[]
  connections: number
  /** After which no request is sent any more. */
  seconds: number
  /** How many requests are sent at most. */
  count?: number
}

export interface LoadResult {
  requests: number
  /** From the first request to the last answer. */
  seconds: number
  /** Milliseconds. */
  p50: number
  p99: number
}

/** Seconds that a round may take longer, for the answers that are under way at its end. */
const patience = 10

process.on('message', (load: Load) => {
  run(load).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})

async function run({ port, requests, connections, seconds, count = Infinity }: Load): Promise<LoadResult> {
  const links = await Promise.all(Array.from({ length: connections }, () => openLink(port)))
  const bytes = requests.map((request) => Buffer.from(request, 'latin1'))
  const latencies: number[] = []
  const start = performance.now()
  const deadline = start + seconds * 1000
  let at = 0
  const next = (): Buffer | undefined =>
    at < count && performance.now() < deadline ? bytes[at++ % bytes.length] : undefined
  const tooLong = setTimeout(() => links[0]?.fail(new Error('No answer')), (seconds + patience) * 1000)
  // Never asleep: what it costs to wake a client would count against the slower server alone.
  let awake = setImmediate(function stayAwake() {
    awake = setImmediate(stayAwake)
  })
  try {
    await Promise.all(links.map((link) => link.drive(next, latencies)))
  } finally {
    clearImmediate(awake)
    clearTimeout(tooLong)
    for (const link of links) link.close()
  }
  const elapsed = (performance.now() - start) / 1000
  latencies.sort((one, other) => one - other)
  return { requests: latencies.length, seconds: elapsed, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) }
}

function quantile(sorted: number[], share: number): number {
  return sorted[Math.floor(sorted.length * share)] ?? 0
}

async function openLink(port: number): Promise<Link> {
  const link = new Link(port)
  await link.opened
  return link
}

class Link {
  readonly opened: Promise<unknown>
  readonly #socket: Socket
  #received = ''
  #answered: () => void = () => undefined
  #fail: (error: Error) => void = () => undefined

  constructor(port: number) {
    const callback = (length: number, buffer: Uint8Array): boolean => {
      this.#receive((buffer as Buffer).toString('latin1', 0, length))
      return true
    }
    // One buffer for the life of the connection: the quickest way to read that Node has.
    const onread = { buffer: Buffer.alloc(65_536), callback }
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, onread })
    this.opened = once(this.#socket, 'connect')
    this.#socket.on('error', (error) => this.fail(error))
    this.#socket.on('close', () => this.fail(new Error('The server closed a connection')))
  }

  /** Sends requests until `next` has no more; resolves when the last one is answered. */
  drive(next: () => Buffer | undefined, latencies: number[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#fail = reject
      const send = (): void => {
        const request = next()
        if (!request) return resolve()
        const sent = performance.now()
        this.#answered = () => {
          latencies.push(performance.now() - sent)
          send()
        }
        this.#socket.write(request)
      }
      send()
    })
  }

  fail(error: Error): void {
    this.#fail(error)
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(text: string): void {
    this.#received += text
    try {
      if (answerLength(this.#received) === 0) return
      this.#received = ''
      this.#answered()
    } catch (error) {
      this.fail(error as Error)
    }
  }
}
