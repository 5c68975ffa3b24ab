import type { LogRequest, RequestLine } from '../log.ts'
import { RequestCounts, type MinuteCount } from './request-counts.ts'

/*
 * What the server did lately, in the memory of this process, for the operator. Bounded: each kind keeps its newest 100
 * entries, so that a flood of failures does not push out the registrations. No documents and no titles: what a reader
 * reads is private.
 */

export type ActivityKind = 'registration' | 'sign-in' | 'command' | 'change' | 'failure'

export interface ActivityEntry {
  kind: ActivityKind
  /** The name of an account, or for a request without one the address of the client; empty for a command. */
  who: string
  what: string
  /** Milliseconds since 1970, of the newest. */
  time: number
  /** How many equal ones followed each other. */
  count: number
}

export interface ActivityOptions {
  /** Milliseconds since 1970. */
  now?: () => number
  counts?: RequestCounts
}

const mostEntries = 100
const mostCharacters = 200

export class Activity {
  readonly #entries = new Map<ActivityKind, ActivityEntry[]>()
  readonly #now: () => number
  readonly #counts: RequestCounts

  constructor({ now = Date.now, counts = new RequestCounts() }: ActivityOptions = {}) {
    this.#now = now
    this.#counts = counts
  }

  /** Called for each request when it is answered. A health check that went well is no request of a reader. */
  addRequest: LogRequest = (line, isHealthcheck) => {
    const isFailure = line.status >= 400
    if (isHealthcheck && !isFailure) return
    this.#counts.add(isFailure)
    if (isFailure) this.add('failure', line.user || line.ip, describeFailure(line))
    else this.#addSignIn(line)
  }

  #addSignIn({ path, status, user }: RequestLine): void {
    if (path.endsWith('/users/auth')) this.add('sign-in', user, 'on a reader')
    else if (path.endsWith('/users/create')) this.add('registration', user, 'on a reader')
    // Forms of the console that did what they are for lead to another page.
    else if (status !== 303) return
    else if (path.endsWith('/sign-in')) this.add('sign-in', user, 'in the browser')
    else if (path.endsWith('/sign-up')) this.add('registration', user, 'in the browser')
  }

  /** A command that an operator typed, as it is logged. */
  addCommand(command: string): void {
    this.add('command', '', withoutTitles(command))
  }

  add(kind: ActivityKind, who: string, what: string): void {
    const entries = this.#entries.get(kind) ?? []
    this.#entries.set(kind, entries)
    const shortened = what.slice(0, mostCharacters).toWellFormed()
    const last = entries.at(-1)
    const isSame = last?.who === who && last.what === shortened
    const count = isSame ? last.count + 1 : 1
    if (isSame) entries.pop()
    entries.push({ kind, who, what: shortened, time: this.#now(), count })
    if (entries.length > mostEntries) entries.shift()
  }

  /** The newest first. */
  list(): ActivityEntry[] {
    return [...this.#entries.values()].flat().toSorted((one, other) => other.time - one.time)
  }

  listMinutes(): MinuteCount[] {
    return this.#counts.list()
  }
}

/** In a path, what may be the id of a document: also where slashes are doubled, or letters are encoded. */
const documents = /(?<=\/(?:syncs\/+[^/]+|books)\/).*|%.*/is

/** Without the document. The reason of a failure of the disk may name a file of one. */
function describeFailure({ method, path, status, reason }: RequestLine): string {
  const route = path.replace(documents, '…')
  const why = reason === undefined || status >= 500 || status === 404 ? '' : `: ${reason}`
  return `${method} ${route} ${status}${why}`
}

/** `kss doc name ann dune 'A title'` as `kss doc name ann …`. */
function withoutTitles(command: string): string {
  return command.replace(/^(kss (?:doc|history) \S+ (?:'(?:[^']|'\\'')*'|\S+)) .*/s, '$1 …')
}
