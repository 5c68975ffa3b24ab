import { createHash, randomBytes } from 'node:crypto'
import { parse, serialize } from 'cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { idleSeconds, isIdle } from '../store/session.ts'
import { current } from '../store/account.ts'
import type { Account, Session, SessionStore, Store, User } from '../store/store.ts'

const day = 86_400

/** Seconds after which what cannot be undone asks for the password again. */
const passwordSeconds = 15 * 60

const sessionCookie = 'kss_session'

/** Before somebody is signed in; the browser forgets it when it is closed. */
const formCookie = 'kss_form'

/** What the cookies hold: 256 random bits. */
const secretPattern = /^[\w-]{43}$/

export interface SessionsOptions {
  store: Store
  sessions: SessionStore
  basePath: string
  /** Milliseconds since 1970. */
  now: () => number
}

/** A session, and whose it is now. */
export interface SignedIn {
  /** The random id that only the browser keeps. */
  id: string
  session: Session
  user: User
}

/** Cookies and what they stand for. Only hashes of them are stored. */
export class Sessions {
  readonly #options: SessionsOptions

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  /** Who is signed in; undefined when nobody is, or the session has ended meanwhile. */
  async find(request: FastifyRequest, reply: FastifyReply, isHttps: boolean): Promise<SignedIn | undefined> {
    const id = readSecret(request, sessionCookie, isHttps)
    if (id === undefined) return undefined
    const session = await this.#options.sessions.getSession(hashOf(id))
    if (!session) return undefined
    const user = await this.#options.store.getUser(session.username)
    if (!user || !isOf(session, user) || isIdle(session, this.#seconds)) {
      await this.#options.sessions.deleteSession(session.hash)
      return undefined
    }
    if (this.#seconds - session.lastSeen < day) return { id, session, user }
    const seen = { ...session, lastSeen: this.#seconds }
    await this.#options.sessions.putSession(seen)
    this.#setCookie(reply, sessionCookie, id, isHttps, idleSeconds)
    return { id, session: seen, user }
  }

  /** A new session for the account, whose password was just typed, in the place of the one that the browser has. */
  async begin(account: Account, request: FastifyRequest, reply: FastifyReply, isHttps: boolean): Promise<void> {
    const { username, admin } = current(await this.#options.store.getUser(account.username), account)
    const before = readSecret(request, sessionCookie, isHttps)
    if (before !== undefined) await this.#options.sessions.deleteSession(hashOf(before))
    const id = newSecret()
    const now = this.#seconds
    await this.#options.sessions.putSession({
      hash: hashOf(id),
      username,
      accountId: account.id,
      generation: account.generation,
      isOperator: Boolean(admin),
      created: now,
      lastSeen: now,
      lastPassword: now,
    })
    this.#setCookie(reply, sessionCookie, id, isHttps, idleSeconds)
  }

  async end(request: FastifyRequest, reply: FastifyReply, isHttps: boolean): Promise<void> {
    // Only who is signed in signs out.
    await this.#options.sessions.deleteSession(hashOf(readSecret(request, sessionCookie, isHttps)!))
    this.#setCookie(reply, sessionCookie, '', isHttps, 0)
  }

  /** Whether the password was typed a while ago. */
  needsPassword({ lastPassword }: Session): boolean {
    return this.#seconds - lastPassword > passwordSeconds
  }

  /** The password was just typed again. */
  async confirm(session: Session): Promise<Session> {
    const confirmed = { ...session, lastPassword: this.#seconds }
    await this.#options.sessions.putSession(confirmed)
    return confirmed
  }

  /** The secret of the forms of a browser that is not signed in; undefined when it keeps no cookie. */
  findFormSecret(request: FastifyRequest, isHttps: boolean): string | undefined {
    return readSecret(request, formCookie, isHttps)
  }

  /** The same, with a new cookie where there is none. */
  formSecret(request: FastifyRequest, reply: FastifyReply, isHttps: boolean): string {
    const known = this.findFormSecret(request, isHttps)
    if (known !== undefined) return known
    const secret = newSecret()
    this.#setCookie(reply, formCookie, secret, isHttps)
    return secret
  }

  get #seconds(): number {
    return Math.floor(this.#options.now() / 1000)
  }

  #setCookie(reply: FastifyReply, name: string, value: string, isHttps: boolean, maxAge?: number): void {
    const path = this.#options.basePath === '' ? '/' : this.#options.basePath
    const flags = { httpOnly: true, sameSite: 'strict', secure: isHttps, path } as const
    const text = serialize(nameOf(name, isHttps), value, maxAge === undefined ? flags : { ...flags, maxAge })
    reply.header('set-cookie', text)
  }
}

/** Dead at once when the password changed, or the account was disabled, renamed, removed, or made an operator's or not. */
function isOf({ accountId, generation, isOperator }: Session, { account, admin, disabled }: User): boolean {
  return account.id === accountId && account.generation === generation && Boolean(admin) === isOperator && !disabled
}

export function hashOf(id: string): string {
  return createHash('sha256').update(id).digest('hex')
}

function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

/**
 * Over https another name: a browser that has a cookie of it lets none come over http under the same name, and whoever
 * listens there could otherwise plant one. The prefix makes browsers see to that.
 */
function nameOf(cookie: string, isHttps: boolean): string {
  return isHttps ? `__Secure-${cookie}` : cookie
}

function readSecret({ headers }: FastifyRequest, cookie: string, isHttps: boolean): string | undefined {
  const value = parse(headers.cookie ?? '')[nameOf(cookie, isHttps)]
  return value !== undefined && secretPattern.test(value) ? value : undefined
}
