import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Account, Session, User } from '../store/store.ts'
import type { ConsoleOptions } from './options.ts'
import type { Html } from './page.ts'

/** The role that a route needs. */
export type Who = 'anyone' | 'reader' | 'operator'

/** A request for a page, or with a form. */
export interface Visit {
  options: ConsoleOptions
  /** The base path, which each link begins with; usually empty. */
  base: string
  /** The path behind the base path. */
  path: string
  /** The parameters of the path. */
  params: Record<string, string>
  query: URLSearchParams
  /** The fields of the form. */
  form: URLSearchParams
  /** The token for the forms of the page. */
  token: string
  /** The Host as the browser sent it, with the port. */
  host: string
  isHttps: boolean
  ip: string
  /** Whether the browser is signed in. */
  isSignedIn: boolean
  /** The log's note on the request. */
  request: FastifyRequest
  /** Begins a session in this browser, which replaces its present one. */
  signIn: (account: Account) => Promise<void>
  /** Ends the session of this browser. */
  signOut: () => Promise<void>
}

/** A request of a signed-in browser. */
export interface ReaderVisit extends Visit {
  session: Session
  user: User
  account: Account
  isOperator: boolean
}

/** A page in the layout. */
export interface Page {
  title: string
  body: Html
  status?: number
  /** Seconds until a retry may succeed. */
  retryAfter?: number | undefined
  /** Seconds after which the browser asks for the page again. */
  refresh?: number
}

/** A redirect to a path behind the base path: the answer to each form that changed something. */
export interface Redirect {
  redirect: string
}

export interface File {
  file: Readable | Buffer | string
  type: string
  /** The file name for the browser to save; the file is shown if left out. */
  download?: string
  /** The size in bytes, if known. */
  bytes?: number
}

export type Answer = Page | Redirect | File

export interface Route {
  method: 'GET' | 'POST'
  /** Behind the base path. */
  url: string
  who: Who
  /** Whether an old session has to type the password again. */
  confirm: boolean
  act: (visit: ReaderVisit) => Answer | Promise<Answer>
}

type Act<W extends Who> = (visit: W extends 'anyone' ? Visit : ReaderVisit) => Answer | Promise<Answer>

/** A page. */
export function get<W extends Who>(url: string, who: W, act: Act<W>): Route {
  return { method: 'GET', url, who, confirm: false, act }
}

/** The action of a form. With `confirm`, for what cannot be undone, it needs a password typed within the last 15 minutes. */
export function post<W extends Who>(
  url: string,
  who: W,
  act: Act<W>,
  { confirm = false }: { confirm?: W extends 'anyone' ? false : boolean } = {},
): Route {
  return { method: 'POST', url, who, confirm, act }
}
