import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Account, Session, User } from '../store/store.ts'
import type { ConsoleOptions } from './options.ts'
import type { Html } from './page.ts'

/** Who may ask for a route. */
export type Who = 'anyone' | 'reader' | 'operator'

/** A request of a page, or of a form. */
export interface Visit {
  options: ConsoleOptions
  /** What the path of each link begins with: the base path; mostly empty. */
  base: string
  /** The path behind the base path. */
  path: string
  /** The parameters of the path. */
  params: Record<string, string>
  query: URLSearchParams
  /** What a form says. */
  form: URLSearchParams
  /** For the forms of the page. */
  token: string
  /** As the browser wrote it, with the port; what the owner typed, or follows. */
  host: string
  isHttps: boolean
  ip: string
  /** Whether somebody is signed in. */
  isSignedIn: boolean
  /** For what is logged: the note on it. */
  request: FastifyRequest
  /** Begins a session in this browser, in the place of the one that it has. */
  signIn: (account: Account) => Promise<void>
  /** Ends the session of this browser. */
  signOut: () => Promise<void>
}

/** The same of somebody who is signed in. */
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
  /** Seconds after which it may be tried again. */
  retryAfter?: number | undefined
  /** Seconds after which the browser asks for the page again. */
  refresh?: number
}

/** Another page, by its path behind the base path: after each form that did something. */
export interface Redirect {
  redirect: string
}

export interface File {
  file: Readable | Buffer | string
  type: string
  /** What the browser saves it as; without it, it is shown. */
  download?: string
  /** Its size, where that is known. */
  bytes?: number
}

export type Answer = Page | Redirect | File

export interface Route {
  method: 'GET' | 'POST'
  /** Behind the base path. */
  url: string
  who: Who
  /** Whether the password is asked for when it was typed a while ago. */
  confirm: boolean
  act: (visit: ReaderVisit) => Answer | Promise<Answer>
}

type Act<W extends Who> = (visit: W extends 'anyone' ? Visit : ReaderVisit) => Answer | Promise<Answer>

/** A page. */
export function get<W extends Who>(url: string, who: W, act: Act<W>): Route {
  return { method: 'GET', url, who, confirm: false, act }
}

/** What a form does. With `confirm` it needs the password when that was typed more than 15 minutes ago: what cannot be undone. */
export function post<W extends Who>(
  url: string,
  who: W,
  act: Act<W>,
  { confirm = false }: { confirm?: W extends 'anyone' ? false : boolean } = {},
): Route {
  return { method: 'POST', url, who, confirm, act }
}
