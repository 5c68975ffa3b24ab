import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setImmediate } from 'node:timers/promises'
import { connectTo } from '../store/file-store/local-socket.ts'
import { Mutex } from '../mutex.ts'

/**
 * Carries out a call of another process; arguments and result are sent as JSON. It may also wait, then resolve to a function
 * that does the work, which is called only if the process that asked is still there.
 */
export type Call = (method: string, args: unknown[]) => Promise<unknown>

/** Carries out calls until `stop`, which refuses later ones and resolves when the calls in progress are answered. */
export function stoppable(call: Call): { call: Call; stop: () => Promise<void> } {
  const underWay = new Set<Promise<unknown>>()
  let stopping = false
  return {
    call: async (method, args) => {
      if (stopping) throw new Error('the server is stopping: try again')
      const done = call(method, args)
      underWay.add(done)
      return await done.finally(() => underWay.delete(done))
    },
    stop: async () => {
      stopping = true
      await Promise.allSettled(underWay)
      // Their answers are written before anything else runs.
      await setImmediate()
    },
  }
}

interface Request {
  method: string
  args: unknown[]
}

interface Reply {
  result?: unknown
  /** Its message. */
  error?: string
  code?: string
}

/** Answers each line that comes, one after the other. */
export function serveCalls(socket: Socket, call: Call): void {
  const mutex = new Mutex()
  // On an error the process that asked has gone: there is nobody to tell.
  const lines = createInterface(socket.on('error', () => undefined)).on('error', () => undefined)
  lines.on('line', (line) => {
    void mutex.run(async () => socket.write(toLine(await answer(line, call, socket))))
  })
}

/** One line: Node 24 ends lines at U+2028 and U+2029 too, which JSON leaves as they are. */
function toLine(value: Request | Reply): string {
  const json = JSON.stringify(value).replace(/[\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16)}`
  })
  return `${json}\n`
}

async function answer(line: string, call: Call, socket: Socket): Promise<Reply> {
  try {
    const { method, args } = JSON.parse(line) as Request
    const result = await call(method, args)
    if (typeof result !== 'function') return { result }
    if (socket.destroyed) throw new Error('the process that asked has gone')
    return { result: await (result as () => Promise<unknown>)() }
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    return { error: message, ...(code !== undefined && { code }) }
  }
}

/** The call failed at the other side; the message says why, to a person. */
export class RemoteError extends Error {
  /** The code of the error at the other side; undefined when it has none, or when that kss is too old to send it. */
  readonly code: string | undefined

  constructor(message: string, code?: string) {
    super(message)
    this.code = code
  }
}

/** Asks the process that listens on a socket. */
export class ControlChannel {
  readonly #socket: Socket
  readonly #lines: AsyncIterator<string>

  private constructor(socket: Socket) {
    this.#socket = socket
    const lines = createInterface(socket)
    // It sees the end of a connection, but not that it broke.
    socket.on('close', () => lines.close())
    this.#lines = lines[Symbol.asyncIterator]()
  }

  static async open(path: string): Promise<ControlChannel> {
    const socket = connectTo(path)
    await once(socket, 'connect')
    socket.on('error', () => undefined)
    const channel = new ControlChannel(socket)
    // The greeting of the other process, which says who it is.
    await channel.#lines.next()
    return channel
  }

  /** Calls are answered in their order. Rejects with RemoteError, also when the other side ends. */
  async call(method: string, args: unknown[]): Promise<unknown> {
    this.#socket.write(toLine({ method, args } satisfies Request))
    const { value, done } = await this.#lines.next().catch(() => ({ value: '', done: true }))
    if (done) throw new RemoteError('The kss that serves the folder has ended.')
    const { result, error, code } = JSON.parse(value) as Reply
    if (error !== undefined) throw new RemoteError(error, code)
    return result
  }

  close(): void {
    this.#socket.destroy()
  }
}
