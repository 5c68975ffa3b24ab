import { createHash, randomBytes } from 'node:crypto'
import { parse, serialize } from 'cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { idleSeconds, isIdle } from '../store/session.ts'
import { current } from '../store/account.ts'
import type { Account, Session, SessionStore, Store, User } from '../store/store.ts'

const day = 86_400

/** Seconds after which an action that cannot be undone asks for the password again. */
const passwordSeconds = 15 * 60

const sessionCookie = 'kss_session'

/** The cookie before the log-in; the browser drops it when it is closed. */
const formCookie = 'kss_form'

/** The value of a cookie: 256 random bits. */
const secretPattern = /^[\w-]{43}$/

export interface SessionsOptions {
  store: Store
  sessions: SessionStore
  basePath: string
  /** Milliseconds since 1970. */
  now: () => number
}

/** A session and its account. */
export interface SignedIn {
  /** The random id, which only the browser keeps. */
  id: string
  session: Session
  user: User
}

/** Sessions and their cookies. Only hashes of the cookies are stored. */
export class Sessions {
  readonly #options: SessionsOptions

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  /** The session of the request; undefined if there is none, or if it has ended. */
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

  /** Begins a session for the account, whose password was just typed; it replaces the browser's present one. */
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
    // The route is for signed-in browsers only, so there is a cookie.
    await this.#options.sessions.deleteSession(hashOf(readSecret(request, sessionCookie, isHttps)!))
    this.#setCookie(reply, sessionCookie, '', isHttps, 0)
  }

  /** Whether the password was typed too long ago. */
  needsPassword({ lastPassword }: Session): boolean {
    return this.#seconds - lastPassword > passwordSeconds
  }

  /** Notes that the password was just typed again. */
  async confirm(session: Session): Promise<Session> {
    const confirmed = { ...session, lastPassword: this.#seconds }
    await this.#options.sessions.putSession(confirmed)
    return confirmed
  }

  /** The secret of the forms of a browser that is not signed in; undefined when it keeps no cookie. */
  findFormSecret(request: FastifyRequest, isHttps: boolean): string | undefined {
    return readSecret(request, formCookie, isHttps)
  }

  /** As above, with a new cookie if there is none. */
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

/**
 * Whether the session is the user's. It ends when the password changes, or when the account is disabled, renamed or
 * removed, or gets or loses the operator's role.
 */
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
 * Over https the cookie has the prefix `__Secure-`: browsers accept such a cookie over https only, so that an attacker on the
 * http port cannot plant one.
 */
function nameOf(cookie: string, isHttps: boolean): string {
  return isHttps ? `__Secure-${cookie}` : cookie
}

function readSecret({ headers }: FastifyRequest, cookie: string, isHttps: boolean): string | undefined {
  const value = parse(headers.cookie ?? '')[nameOf(cookie, isHttps)]
  return value !== undefined && secretPattern.test(value) ? value : undefined
}
