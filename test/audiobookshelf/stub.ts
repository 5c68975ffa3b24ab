import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { applyPatch, newRecord, type AbsRecord } from './stub-progress.ts'

/** What the stub does in place of an answer. */
export type Fault =
  | 'reset'
  | 'hang'
  | 'drip'
  | 'page502'
  | 'redirect'
  | 'huge'
  | 'tooMany'
  | 'refuse'
  | 'notJson'
  | 'badRequest'

export interface AbsItem {
  id: string
  title: string
  author?: string
  libraryId?: string
  mediaType?: string
  isMissing?: boolean
  duration?: number
  chapters?: { id: number; start: number; end: number; title: string }[]
  tracks?: { index: number; startOffset: number; duration: number; title: string }[]
  ebook?: Buffer
  cover?: Buffer
  coverType?: string
  ebookFormat?: string
  fileName?: string
  ino?: string
  mtimeMs?: number
  /** Users that may not see it. */
  hiddenFrom?: string[]
  /** Set up for X-Accel, without its nginx. */
  xAccel?: boolean
}

export interface Seen {
  method: string
  path: string
  username: string | undefined
  headers: IncomingMessage['headers']
  text: string
}

const libraryOf = (item: AbsItem): string => item.libraryId ?? 'lib-1'

/** Answers as Audiobookshelf 2.36 does, oddities included; see each of them at its place. */
export class AbsStub {
  /** Users by API key. */
  readonly users = new Map<string, { id: string; username: string; active: boolean }>()
  readonly items = new Map<string, AbsItem>()
  readonly records: AbsRecord[] = []
  readonly seen: Seen[] = []
  /** The most requests of one user about one item that were in flight at once. */
  most = 0
  /** The most requests that were in flight at once. */
  mostAtOnce = 0
  fault: Fault | undefined
  /** Which requests the fault is for; all unless said otherwise. */
  faulty: (path: string, username: string | undefined) => boolean = () => true
  retryAfter = '7'
  redirectTo = 'http://elsewhere.invalid/'
  version = '2.36.0'
  /** A request is answered when this resolves for its path. */
  hold: (path: string) => Promise<void> | undefined = () => undefined
  /** Milliseconds that its clock is ahead. */
  ahead = 0
  #server = http.createServer()
  readonly #sockets = new Set<Socket>()
  readonly #inFlight = new Map<string, number>()
  #port = 0
  base = ''

  static async start(t: Test, base = ''): Promise<AbsStub> {
    const stub = new AbsStub()
    stub.base = base
    stub.addUser('key-ann', 'ann')
    await stub.up()
    t.teardown(() => stub.down())
    return stub
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}${this.base}`
  }

  addUser(key: string, username: string): void {
    this.users.set(key, { id: `id-${username}`, username, active: true })
  }

  addItem(item: AbsItem): AbsItem {
    this.items.set(item.id, item)
    return item
  }

  async up(): Promise<void> {
    this.#server = http.createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error))
    })
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async down(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  /** What a player's sync does: it overwrites. */
  move(username: string, itemId: string, values: Partial<AbsRecord>): AbsRecord {
    const userId = `id-${username}`
    let record = this.records.find((each) => each.userId === userId && each.libraryItemId === itemId)
    if (!record) this.records.push((record = newRecord(userId, itemId, Date.now())))
    const moved = { ...values, lastUpdate: values.lastUpdate ?? Date.now() }
    const duration = this.items.get(itemId)?.duration ?? 0
    Object.assign(record, { duration }, moved)
    record.progress = duration > 0 ? record.currentTime / duration : 0
    return record
  }

  recordOf(username: string, itemId: string): AbsRecord | undefined {
    return this.records.find((each) => each.userId === `id-${username}` && each.libraryItemId === itemId)
  }

  /** The requests whose method and path match. */
  seenOf(method: string, path: RegExp): Seen[] {
    return this.seen.filter((each) => each.method === method && path.test(each.path))
  }

  /** Bodies of the PATCHes so far. */
  get patches(): Record<string, unknown>[] {
    return this.seenOf('PATCH', /progress/).map(({ text }) => JSON.parse(text) as Record<string, unknown>)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const user = this.users.get(/^Bearer (.*)$/.exec(headers.authorization ?? '')?.[1] ?? '')
    const path = url.startsWith(this.base) ? url.slice(this.base.length) : 'elsewhere'
    this.seen.push({ method, path, username: user?.username, headers, text })
    const lane = `${user?.username} ${/\/(?:items|progress)\/([^/?]+)/.exec(path)?.[1]}`
    const count = (this.#inFlight.get(lane) ?? 0) + 1
    this.#inFlight.set(lane, count)
    if (!lane.endsWith('undefined')) this.most = Math.max(this.most, count)
    const all = [...this.#inFlight.values()].reduce((sum, each) => sum + each, 0)
    this.mostAtOnce = Math.max(this.mostAtOnce, all)
    response.on('close', () => {
      const left = this.#inFlight.get(lane)! - 1
      if (left > 0) this.#inFlight.set(lane, left)
      else this.#inFlight.delete(lane)
    })
    response.setHeader('date', new Date(Date.now() + this.ahead).toUTCString())
    await this.hold(path)
    if (this.fault && this.faulty(path, user?.username)) await this.#fail(response, this.fault)
    else if (path === '/status') json(response, { app: 'audiobookshelf', serverVersion: this.version, isInit: true })
    else if (!user?.active) plain(response, 401, 'Unauthorized')
    else await this.#route(user, method, path, { headers, text }, response)
  }

  async #route(
    user: { id: string; username: string },
    method: string,
    path: string,
    request: { headers: IncomingMessage['headers']; text: string },
    response: ServerResponse,
  ): Promise<void> {
    const { pathname, searchParams } = new URL(path, 'http://stub')
    const [, , first = '', second = '', third = ''] = pathname.split('/')
    if (first === 'me' && second === '') json(response, { id: user.id, username: user.username, token: 'secret' })
    else if (first === 'me' && second === 'progress' && method === 'GET') this.#getProgress(user.id, third, response)
    else if (first === 'me' && second === 'progress') await this.#patch(user.id, third, request, response)
    else if (first === 'items') this.#getItem(user.username, second, third, request.headers, response)
    else if (first === 'libraries') this.#libraries(user.username, second, third, searchParams, response)
    else plain(response, 404, 'Not Found')
  }

  #getProgress(userId: string, itemId: string, response: ServerResponse): void {
    // Of two records of one item GET shows the newer one.
    const record = this.records.findLast((each) => each.userId === userId && each.libraryItemId === itemId)
    if (!record || record.lost) return plain(response, 404, 'Not Found')
    const { lost: _lost, extraData: _extraData, ...shown } = record
    json(response, shown)
  }

  async #patch(
    userId: string,
    itemId: string,
    { headers, text }: { headers: IncomingMessage['headers']; text: string },
    response: ServerResponse,
  ): Promise<void> {
    const item = this.items.get(itemId)
    if (!item) return plain(response, 404, 'Library item not found')
    if (item.mediaType === 'podcast') return plain(response, 400, 'Bad Request')
    // Any other Content-Type leaves the body unread: 200, and nothing is stored.
    const isJson = headers['content-type']?.startsWith('application/json')
    if (!isJson && text !== '') return plain(response, 200, 'OK')
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
    if (typeof body['ebookLocation'] === 'object' && body['ebookLocation'] !== null) return await this.down()
    const known = this.records.find((each) => each.userId === userId && each.libraryItemId === itemId)
    if (known) applyPatch(known, body, Date.now())
    else {
      // Two first PATCHes both find none.
      await sleep(20)
      const { lastUpdate: _ignored, extraData: _ignoredToo, ...values } = body
      const record = newRecord(userId, itemId, Date.now())
      applyPatch(record, values, Date.now())
      this.records.push(record)
    }
    plain(response, 200, 'OK')
  }

  #getItem(
    username: string,
    id: string,
    what: string,
    headers: IncomingMessage['headers'],
    response: ServerResponse,
  ): void {
    const item = this.items.get(id)
    if (!item) return plain(response, 404, 'Not Found')
    if (item.hiddenFrom?.includes(username)) return plain(response, 403, 'Forbidden')
    if (what === 'cover' && !item.cover) return plain(response, 404, 'Not Found')
    if (what === 'cover')
      return void response.writeHead(200, { 'content-type': item.coverType ?? 'image/jpeg' }).end(item.cover)
    if (what !== 'ebook') return json(response, expand(item))
    const { ebook } = item
    if (!ebook) return plain(response, 404, 'Not Found')
    if (item.xAccel) return void response.writeHead(204).end()
    const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '')
    if (!range) return void response.writeHead(200, { 'content-length': ebook.length }).end(ebook)
    const [from, to] = [Number(range[1]), Math.min(Number(range[2]), ebook.length - 1)]
    if (from >= ebook.length) return plain(response, 500, 'Internal Server Error')
    const part = ebook.subarray(from, to + 1)
    response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${ebook.length}` }).end(part)
  }

  #libraries(username: string, id: string, what: string, query: URLSearchParams, response: ServerResponse): void {
    const visible = [...this.items.values()].filter(({ hiddenFrom = [] }) => !hiddenFrom.includes(username))
    if (id === '') {
      const names = new Map(visible.map((item) => [libraryOf(item), item.mediaType ?? 'book']))
      const libraries = [...names].map(([each, mediaType]) => ({ id: each, name: `Library ${each}`, mediaType }))
      return json(response, { libraries })
    }
    const inside = visible.filter((item) => libraryOf(item) === id)
    if (what === 'items') {
      const results = inside.filter(({ ebook }) => ebook).map(minify)
      const limit = Number(query.get('limit'))
      const page = Number(query.get('page'))
      return json(response, { results: results.slice(limit * page, limit * (page + 1)), total: results.length })
    }
    const wanted = query.get('q')?.toLowerCase() ?? ''
    if (wanted === '') return plain(response, 400, 'Invalid request. Query param "q" must be a string')
    const found = inside.filter(({ title, author = '' }) =>
      [title, author].some((field) => field.toLowerCase().includes(wanted)),
    )
    json(response, { book: found.map((item) => ({ libraryItem: expand(item) })), authors: [] })
  }

  async #fail(response: ServerResponse, fault: Fault): Promise<void> {
    if (fault === 'hang') return
    if (fault === 'reset') response.destroy()
    else if (fault === 'page502')
      response.writeHead(502, { 'content-type': 'text/html' }).end('<html>Bad Gateway</html>')
    else if (fault === 'notJson') plain(response, 200, 'surprise')
    else if (fault === 'redirect') response.writeHead(302, { location: this.redirectTo }).end()
    else if (fault === 'tooMany') response.writeHead(429, { 'retry-after': this.retryAfter }).end('Too many requests')
    else if (fault === 'badRequest') plain(response, 400, 'Invalid progress')
    else if (fault === 'refuse') plain(response, 401, 'Unauthorized')
    else await pour(response, fault)
  }
}

/** 64 MiB as fast as they are taken, or a byte now and then. */
async function pour(response: ServerResponse, fault: 'drip' | 'huge'): Promise<void> {
  const chunk = Buffer.alloc(fault === 'huge' ? 2 ** 16 : 1, ' ')
  response.writeHead(200, { 'content-type': 'application/json' })
  const closed = new Promise((resolve) => response.once('close', resolve))
  for (let sent = 0; sent < 2 ** 26 && !response.destroyed; sent += chunk.length) {
    if (fault === 'drip') await sleep(20)
    else if (!response.write(chunk))
      await Promise.race([new Promise((resolve) => response.once('drain', resolve)), closed])
    if (fault === 'drip') response.write(chunk)
  }
  response.end()
}

function expand(item: AbsItem): object {
  const { id, title, author = '', mediaType = 'book', duration = 0, chapters = [], tracks = [], ebook } = item
  const { ino = `ino-${id}`, mtimeMs = 1_700_000_000_000, ebookFormat = 'epub', fileName = `${title}.epub` } = item
  const metadata = { size: ebook?.length, mtimeMs, ext: `.${ebookFormat}`, filename: fileName }
  const ebookFile = ebook ? { ino, metadata, ebookFormat } : null
  const media = { duration, metadata: { title, authorName: author }, chapters, tracks, ebookFile }
  return { id, libraryId: libraryOf(item), mediaType, isMissing: item.isMissing ?? false, media }
}

function minify({ id, title, author = '', duration = 0, ebookFormat = 'epub' }: AbsItem): object {
  return { id, media: { metadata: { title, authorName: author }, ebookFormat, duration } }
}

function json(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body))
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text)
}
