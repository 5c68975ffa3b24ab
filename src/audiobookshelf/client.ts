import { plain } from '../plain.ts'
import { Failure, isFailure } from './failure.ts'
import {
  fieldsOf,
  readFound,
  readItem,
  readItemPage,
  readLibraries,
  readRemote,
  textOf,
  type Ebook,
  type Item,
  type ItemPage,
  type Library,
  type Remote,
} from './replies.ts'
import { Requester, type Reply, type Request } from './request.ts'

/** The user of a request. */
export interface Key {
  apiKey: string
  /** For proxies that require it; Audiobookshelf ignores it. */
  userToken?: string | undefined
  /** Aborts the requests. */
  signal?: AbortSignal | undefined
}

export interface ClientOptions {
  /** Perhaps with a path, without a slash at its end. */
  baseUrl: string
  /** Milliseconds for one request. */
  timeoutMs: number
  now?: () => number
}

/** Bytes of an answer. */
const limits = { items: 8 * 2 ** 20, progress: 256 * 2 ** 10, part: 64 * 2 ** 10, cover: 2 ** 20, ebook: 64 * 2 ** 20 }

/** The longest duration of an answer whose Date is used, in milliseconds. */
const longestMs = 5000

/** Items per page of a listing. */
export const pageSize = 100

/** The items with an ebook; the value is "ebook" in base64. */
const ebookFilter = 'ebooks.ZWJvb2s%3D'

interface Ask {
  key?: Key
  body?: string
  range?: string
  limit?: number
  timeoutMs?: number | undefined
}

/** The bridge's requests to Audiobookshelf. Keys are sent to the base URL only. */
export class Client {
  readonly #options: ClientOptions
  readonly #requester = new Requester()
  readonly #now: () => number
  /** Milliseconds that the clock of Audiobookshelf is ahead of this one, by its last answer; exact to a second. */
  clockDifference = 0

  constructor(options: ClientOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  get baseUrl(): string {
    return this.#options.baseUrl
  }

  /** Ends idle connections. */
  close(): void {
    this.#requester.close()
  }

  /** The version of Audiobookshelf; needs no key. */
  async getVersion(): Promise<string | Failure> {
    const body = await this.#getJson('/status', {})
    return isFailure(body) ? body : textOf(fieldsOf(body)['serverVersion'])
  }

  /** The user of the key. */
  async getUser(key: Key): Promise<{ id: string; username: string } | Failure> {
    const body = await this.#getJson('/api/me', { key })
    if (isFailure(body)) return body
    const { id, username } = fieldsOf(body)
    return { id: textOf(id), username: textOf(username) }
  }

  /** The record of the item; undefined if there is none, also for an item that does not exist. */
  async getProgress(key: Key, item: string, timeoutMs?: number): Promise<Remote | undefined | Failure> {
    const body = await this.#getJson(progressPath(item), { key, limit: limits.progress, timeoutMs })
    if (isFailure(body)) return body.kind === 'notFound' ? undefined : body
    return readRemote(body) ?? new Failure('notJson', 'answered a progress without its fields')
  }

  /** The failure; undefined if the record was accepted. */
  async patchProgress(key: Key, item: string, body: object): Promise<Failure | undefined> {
    const reply = await this.#ask('PATCH', progressPath(item), {
      key,
      body: JSON.stringify(body),
      limit: limits.progress,
    })
    return isFailure(reply) ? reply : undefined
  }

  async getItem(key: Key, id: string, timeoutMs?: number): Promise<Item | Failure> {
    const body = await this.#getJson(`/api/items/${encodeURIComponent(id)}?expanded=1`, { key, timeoutMs })
    if (isFailure(body)) return body
    return readItem(body) ?? new Failure('notJson', 'answered an item without its fields')
  }

  /** The book libraries that the user may see. */
  async listLibraries(key: Key): Promise<Library[] | Failure> {
    const body = await this.#getJson('/api/libraries', { key })
    return isFailure(body) ? body : readLibraries(body)
  }

  /** The items of a library that have an ebook. */
  async listEbookItems(key: Key, library: string, page: number): Promise<ItemPage | Failure> {
    const query = `limit=${pageSize}&page=${page}&minified=1&filter=${ebookFilter}`
    const body = await this.#getJson(`/api/libraries/${encodeURIComponent(library)}/items?${query}`, { key })
    return isFailure(body) ? body : readItemPage(body)
  }

  /** Items with the text in the title or the author. */
  async search(key: Key, library: string, text: string): Promise<Item[] | Failure> {
    const query = `q=${encodeURIComponent(text)}&limit=12`
    const body = await this.#getJson(`/api/libraries/${encodeURIComponent(library)}/search?${query}`, { key })
    return isFailure(body) ? body : readFound(body)
  }

  /** The cover; undefined if it is no image that pages can show. */
  async getCover(key: Key, item: string): Promise<{ image: Buffer; type: string } | undefined | Failure> {
    const path = `/api/items/${encodeURIComponent(item)}/cover?width=120&format=jpeg`
    const reply = await this.#ask('GET', path, { key, limit: limits.cover })
    if (isFailure(reply)) return reply
    const type = reply.headers['content-type'] ?? ''
    return /^image\/(?:jpeg|png|webp)$/.test(type) ? { image: reply.body, type } : undefined
  }

  /** Bytes of the ebook from `from` to `end`, exclusive, which must be inside. Undefined if it is not served. */
  async getEbookPart(key: Key, item: string, from: number, end: number): Promise<Buffer | undefined | Failure> {
    const range = `bytes=${from}-${end - 1}`
    const reply = await this.#ask('GET', ebookPath(item), { key, range, limit: limits.part })
    if (isFailure(reply)) return reply
    return reply.status === 206 && reply.body.length === end - from ? reply.body : undefined
  }

  /** The body; undefined if it is not served, or incomplete. */
  async getEbook(key: Key, item: string, { size }: Ebook, timeoutMs: number): Promise<Buffer | undefined | Failure> {
    if (size > limits.ebook) return new Failure('tooLarge', `has an ebook of more than ${limits.ebook} bytes`)
    const reply = await this.#ask('GET', ebookPath(item), { key, limit: limits.ebook, timeoutMs })
    if (isFailure(reply)) return reply
    return reply.status === 200 && reply.body.length === size ? reply.body : undefined
  }

  async #getJson(path: string, ask: Ask): Promise<unknown> {
    const reply = await this.#ask('GET', path, ask)
    if (isFailure(reply)) return reply
    try {
      return JSON.parse(reply.body.toString()) as unknown
    } catch {
      return new Failure('notJson', `answered ${reply.status} without JSON`)
    }
  }

  async #ask(method: Request['method'], path: string, ask: Ask): Promise<Reply | Failure> {
    const { key, body, range, limit = limits.items, timeoutMs = this.#options.timeoutMs } = ask
    const headers = {
      ...(key && { authorization: `Bearer ${key.apiKey}` }),
      ...(key?.userToken !== undefined && { 'x-abs-user-token': key.userToken }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(range !== undefined && { range }),
    }
    const began = this.#now()
    const reply = await this.#requester.send({
      method,
      url: this.baseUrl + path,
      headers,
      body,
      limit,
      timeoutMs,
      signal: key?.signal,
    })
    if (isFailure(reply)) return reply
    this.#readClock(reply.headers.date, began)
    const failure = failureOf(reply)
    return failure ?? reply
  }

  /** A Date header has whole seconds, cut off. */
  #readClock(date: string | undefined, began: number): void {
    const time = Date.parse(date ?? '')
    // The Date is that of the first byte: a long answer says nothing.
    if (Number.isNaN(time) || this.#now() - began > longestMs) return
    this.clockDifference = Math.round(time + 500 - (began + this.#now()) / 2)
  }
}

function progressPath(item: string): string {
  return `/api/me/progress/${encodeURIComponent(item)}`
}

function ebookPath(item: string): string {
  return `/api/items/${encodeURIComponent(item)}/ebook`
}

/** Seconds for a 429 without Retry-After. */
const defaultRetryAfter = 60
const longestRetryAfter = 3600

function failureOf({ status, headers, body }: Reply): Failure | undefined {
  if (status >= 200 && status < 300) return undefined
  // An answer may quote the request's body, which holds no secret: keys are in headers.
  const text = plain(body.subarray(0, 800).toString()).trim().slice(0, 200)
  if (status >= 300 && status < 400) {
    const target = originAndPath(headers.location)
    return new Failure('redirect', `answered a redirect to ${target}: set AUDIOBOOKSHELF_BASE_URL to it`)
  }
  if (status === 401) return new Failure('refusedKey', 'refused the key')
  if (status === 429) {
    const seconds = Number(headers['retry-after'])
    const retryAfter = seconds > 0 ? Math.min(seconds, longestRetryAfter) : defaultRetryAfter
    return new Failure('tooManyRequests', `wants no request for ${retryAfter} s`, retryAfter)
  }
  // A web page comes from a proxy, and says nothing about an item.
  if (status >= 500 || text.startsWith('<')) return new Failure('serverError', `answered ${status}`)
  if (status === 403) return new Failure('forbidden', 'does not let this user see the item')
  if (status === 404) return new Failure('notFound', 'has no such item')
  return new Failure('badRequest', `answered ${status}: ${text}`)
}

/** Without what else an address may carry. */
function originAndPath(location = ''): string {
  if (!URL.canParse(location)) return plain(location.replace(/[?#].*/s, '')).slice(0, 200)
  const { origin, pathname } = new URL(location)
  return plain(origin + pathname).slice(0, 200)
}
