import { STATUS_CODES, type Server } from 'node:http'
import { constants } from 'node:os'
import type { Duplex } from 'node:stream'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { ProtocolError } from './protocol-error.ts'
import { errorTable, vendorMediaType, type ErrorName } from './protocol.ts'

/** File-system errors that say "no room"; any other one is "not now". @see STORAGE.md §3, Faults */
const noRoom = new Set(['ENOSPC', 'EDQUOT'])

/** libuv has no name for EDQUOT: the code is "Unknown system error -122" on Linux. */
const quotaErrno = -constants.errno.EDQUOT

/** The code of an error that the store itself reports once a minute, so that it is not logged with each request. */
const folderReplaced = 'FOLDER_REPLACED'

/** The same for an engine: it is reported when the engine goes away. */
const engineAway = 'STORE_UNAVAILABLE'

/** Seconds after which a request may come back; not all of them at once. */
const mostSeconds = 5

/** The row of the error table for anything thrown: by us, by Fastify, by the file system. */
export function errorName(error: unknown): ErrorName {
  if (error instanceof ProtocolError) return error.error
  if (!(error instanceof Error)) return 'unknown'
  const { code, validation, statusCode, errno } = error as FastifyError & NodeJS.ErrnoException
  if (validation) return validationErrorName(validation)
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return 'bodyTooLarge'
  // What is left of Fastify's own 4xx: a bad URL, a body that is shorter than it said.
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return 'badRequest'
  if (noRoom.has(code) || errno === quotaErrno) return 'storageFull'
  if (code === 'STALE_ACCOUNT') return 'unauthorized'
  if (code === 'QUOTA_REACHED') return 'quotaReached'
  const isKnown = ['DAMAGED_FILE', folderReplaced, engineAway].includes(code)
  return errno === undefined && !isKnown ? 'unknown' : 'unavailable'
}

function validationErrorName(validation: NonNullable<FastifyError['validation']>): ErrorName {
  // Every body that was parsed is an object: there was none.
  if (validation.some(({ instancePath, keyword }) => instancePath === '' && keyword === 'type')) return 'notJson'
  const ofDocument = validation.some(
    ({ instancePath, params }) =>
      instancePath === '/document' || instancePath === '/*' || params['missingProperty'] === 'document',
  )
  return ofDocument ? 'documentMissing' : 'invalidRequest'
}

/** The reason why the request was refused, for the log: clients get the same message for many reasons. */
function reasonOf(error: unknown): string {
  const { message, validation } = error as FastifyError
  if (error instanceof ProtocolError) return error.reason ?? message
  const [first] = validation ?? []
  if (!first) return message
  const { instancePath, params } = first
  const missing = params['missingProperty']
  if (typeof missing === 'string') return `${missing} is missing`
  return instancePath === ''
    ? 'there is no body'
    : `${instancePath.slice(1).replace('*', 'document')} is not as it should be`
}

/** Whether the client shows the messages of KOReader's protocol, version 1, on its screen. */
export function isV1({ headers }: FastifyRequest): boolean {
  return headers.accept?.includes(vendorMediaType) ?? false
}

/** What every answer carries, whoever gives it. @see PROTOCOL.md §2 */
export const commonHeaders = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

/** The one error → reply mapping (setErrorHandler, and Fastify's frameworkErrors). */
export function replyWithError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const name = errorName(error)
  const { code, status, message: standard } = errorTable[name]
  const message = error instanceof ProtocolError ? error.message : standard
  const { code: cause } = error as NodeJS.ErrnoException
  if (error instanceof ProtocolError) {
    if (error.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter))
  } else if (cause === engineAway) reply.header('retry-after', String(1 + Math.floor(Math.random() * mostSeconds)))
  else if (status >= 500 && cause !== folderReplaced && name !== 'quotaReached')
    request.log.error({ err: error }, message)
  const reason = reasonOf(error)
  request.note = { ...request.note, reason }
  request.failure = { name, error, reason }
  // CrossPoint's HTTP library answers a challenge by sending the request ten times more. @see PROTOCOL.md §1
  const challenge = status === 401 && request.headers['x-auth-user'] === undefined
  if (challenge) reply.header('www-authenticate', 'Basic realm="kss", charset="UTF-8"')
  return sendJson(reply.code(status), { code, message })
}

/** Answers where there is no request to reply to, and closes the connection. */
export type AnswerRaw = (socket: Duplex, error: ErrorName) => void

/** The error of what is not HTTP, or too much of it: Node has no request to reply to yet. */
export function clientErrorName(error: NodeJS.ErrnoException): ErrorName {
  return clientErrors[String(error.code)] ?? 'badRequest'
}

/** Answers what Node would answer itself, with an empty body or not at all, before Fastify sees it. */
export function answerForNode(server: Server, answer: AnswerRaw): void {
  server.on('connect', (_request, socket) => answer(socket, 'methodNotAllowed'))
  server.on('checkExpectation', ({ socket }) => answer(socket, 'expectationFailed'))
}

/** Told of each such answer. */
export type OnRawAnswer = (socket: Duplex, status: number, message: string) => void

/** Its answers carry these headers beside the common ones. */
export function createAnswerRaw(moreHeaders: Record<string, string>, onAnswer: OnRawAnswer): AnswerRaw {
  return (socket, error) => {
    const { code, status, message } = errorTable[error]
    const body = JSON.stringify({ code, message })
    const headers = {
      ...commonHeaders,
      ...moreHeaders,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    }
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    if (socket.writable) {
      onAnswer(socket, status, message)
      socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
    }
    socket.destroy()
  }
}

const clientErrors: Record<string, ErrorName> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'requestTimeout',
  HPE_HEADER_OVERFLOW: 'headersTooLarge',
}

/**
 * Sends exactly `application/json`: bytes, because Fastify appends `; charset=utf-8` to anything else, and several
 * KOReader releases cannot read that. @see PROTOCOL.md §2
 */
function sendJson(reply: FastifyReply, body: object): FastifyReply {
  return reply.header('content-type', 'application/json').send(Buffer.from(JSON.stringify(body)))
}
