import type { FastifyRequest } from 'fastify'
import { isDisabled } from '../accounts/authenticator.ts'
import type { Failure } from '../kosync/context.ts'
import { isOfReader } from '../kosync/is-of-reader.ts'
import { ProtocolError } from '../kosync/protocol-error.ts'
import type { ErrorName } from '../kosync/protocol.ts'
import { prefixOf } from '../kosync/request-url.ts'
import type { EventKind, Events, NewEvent } from './events.ts'

/** Errors that are one kind of event for any route. */
const kinds: Partial<Record<ErrorName, EventKind>> = {
  userExists: 'nameTaken',
  registrationDisabled: 'registrationClosed',
  registrationDisabledV1: 'registrationClosed',
  tooManyRegistrationsV1: 'tooManyRegistrations',
  tooManyAttempts: 'tooManyAttempts',
  notJson: 'notJson',
  notAnObject: 'notJson',
  invalidRequest: 'badField',
  documentMissing: 'badField',
  bodyTooLarge: 'bodyTooLarge',
  quotaReached: 'quotaReached',
  storageFull: 'diskFull',
  unavailable: 'unavailable',
  unknown: 'serverFailed',
}

/** Kinds that no account causes. */
const ofServer = new Set<EventKind>(['diskFull', 'unavailable', 'serverFailed'])

/** Paths of other sync servers, which their clients ask for. */
const protocols: [string, RegExp][] = [
  ['Kobo sync', /\/kobo\/|\/v1\/(initialization|library\/sync)$/],
  ['OPDS', /\/opds(\/|$)/],
  ['KoInsight', /\/api\/plugin\//],
  ['Audiobookshelf', /\/api\/(me|authorize|libraries|items)(\/|$)/],
  ['Readest sync', /\/api\/(sync|storage)(\/|$)/],
  ['annotations', /\/syncs\/annotations(\/|$)/],
]

/** Hosts of other readers' servers, and those that a device asks to detect a hotspot. */
const otherHosts =
  /(^|\.)(koreader\.rocks|crosspointreader\.com|gstatic\.com|captive\.apple\.com|msftconnecttest\.com)$/i

/** Returns a function that is to be called with each answered request, and keeps its event. */
export function createListener(events: Events, basePath: string): (request: FastifyRequest) => void {
  return (request) => {
    const { failure, account, note, params, ip } = request
    if (failure) hear(events, request, failure, basePath)
    else if (!account) return
    else if (note?.document !== undefined) events.count(account.id, ip, true)
    else if (request.method === 'GET' && (params as { '*'?: string })['*'] !== undefined)
      events.count(account.id, ip, false)
  }
}

function hear(events: Events, request: FastifyRequest, failure: Failure, basePath: string): void {
  const { account, ip: address } = request
  const event = eventOf(request, failure, basePath)
  if (!event) return
  const refused = failure.error instanceof ProtocolError ? failure.error.account : undefined
  const id = (account ?? refused)?.id
  if (id === undefined) events.add({ ...event, address, user: request.note!.user ?? '' })
  else {
    events.addTo(id, { ...event, address })
    if (ofServer.has(event.kind)) events.add({ ...event, address })
  }
}

type WhatHappened = Pick<NewEvent, 'kind' | 'detail'>

/** The kind; undefined for requests that nobody can act on, such as those of scanners. */
function eventOf(request: FastifyRequest, failure: Failure, basePath: string): WhatHappened | undefined {
  const { name, error, reason } = failure
  const path = request.originalUrl.split('?', 1)[0]!
  const isRefusal = name === 'unauthorized' || name === 'notFound' || name === 'methodNotAllowed'
  if (isRefusal) return atWrongServer(request, path) ?? refusalOf(request, failure, path, basePath)
  const kind = kinds[name]
  if (!kind) return undefined
  if (kind === 'tooManyAttempts' && path.endsWith('/users/create')) return { kind: 'tooManyRegistrations' }
  if (kind === 'badField') return { kind, detail: reason }
  // The message of a file system names files.
  if (ofServer.has(kind)) return { kind, detail: (error as NodeJS.ErrnoException).code ?? '' }
  return { kind }
}

/** Requests for another machine, as to a proxy. */
function atWrongServer({ headers: { host = '' } }: FastifyRequest, path: string): WhatHappened | undefined {
  // RFC 9112 §3.2.2: the absolute form, which is for proxies.
  if (/^https?:\/\//.test(path)) return { kind: 'httpProxy' }
  const name = host.replace(/:\d+$/, '')
  return otherHosts.test(name) ? { kind: 'otherHost', detail: name } : undefined
}

function refusalOf(
  request: FastifyRequest,
  { name, error, reason }: Failure,
  path: string,
  basePath: string,
): WhatHappened | undefined {
  if (name === 'notFound') return wrongPath(request, path, basePath)
  if (name === 'methodNotAllowed') {
    const isOfPush = /\/(users\/create|syncs\/progress)$/.test(path)
    // A person may open such an address in a browser.
    return request.method === 'GET' && isOfPush && isOfReader(request) ? { kind: 'redirected' } : undefined
  }
  if (!(error instanceof ProtocolError)) return undefined
  if (error.account) return { kind: reason === isDisabled ? 'disabled' : 'wrongPassword' }
  return { kind: request.note!.user === undefined ? 'noCredentials' : 'unknownUser' }
}

function wrongPath(request: FastifyRequest, path: string, basePath: string): WhatHappened | undefined {
  const prefix = prefixOf(path)
  if (prefix === '') return { kind: 'noBasePath' }
  if (prefix !== undefined) return { kind: 'otherBasePath', detail: withoutKeys(prefix) }
  const [protocol] = protocols.find(([, paths]) => paths.test(path)) ?? []
  if (protocol !== undefined) return { kind: 'otherProtocol', detail: protocol }
  if (request.method === 'PROPFIND') return { kind: 'otherProtocol', detail: 'WebDAV' }
  return isOfReader(request) ? { kind: 'wrongPath', detail: basePath } : undefined
}

/** Kavita has an API key in its path. */
function withoutKeys(path: string): string {
  return path.replace(/(?<=\/)[^/]{16,}/g, '…')
}
