import type { FromSchema } from 'json-schema-to-ts'

/** The Accept header that KOReader sends; kss never requires it. @see PROTOCOL.md §1 */
export const vendorMediaType = 'application/vnd.koreader.v1+json'

// Patterns are compiled with the `u` flag: `[^\ud800-\udfff]` refuses lone surrogates, which have
// no UTF-8 form and so could be neither stored nor asked for again; a proper pair is one character.
const text = { type: 'string', pattern: '^[^\\ud800-\\udfff]*$' } as const

/** A user name: what an HTTP header and Basic credentials can carry back, so no colon and no control character. */
export const username = {
  type: 'string',
  maxLength: 255,
  pattern: '^[^:\\u0000-\\u001f\\u007f\\ud800-\\udfff]+$',
} as const

/** The lower-case hex MD5 of the password for KOReader, but an opaque string to the server. @see PROTOCOL.md §1 */
export const key = {
  type: 'string',
  maxLength: 1024,
  // Neither blank ends nor control characters: HTTP trims or refuses them, and the owner could never log in.
  pattern: '^(?![ ])[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]+(?<![ ])$',
} as const

const document = {
  type: 'string',
  maxLength: 1024,
  pattern: '^[^:\\ud800-\\udfff]+$',
} as const

/** Body of POST /users/create. */
export const registration = {
  type: 'object',
  required: ['username', 'password'],
  properties: { username, password: key },
} as const

/** Body of PUT /users/password. */
export const passwordChange = {
  type: 'object',
  required: ['password'],
  properties: { password: key },
} as const

/** Parameters of GET /syncs/progress/:document. The wildcard lets an id hold a slash, as PUT does. */
export const documentParams = {
  type: 'object',
  required: ['*'],
  properties: { '*': document },
} as const

/** Body of PUT /syncs/progress. Optional fields are not checked here: a bad one is dropped, the position is kept. */
export const push = {
  type: 'object',
  required: ['document', 'percentage', 'progress', 'device'],
  properties: {
    document,
    percentage: {
      anyOf: [
        { type: 'number' },
        { type: 'string', maxLength: 64, pattern: '^[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?$' },
      ],
    },
    progress: text,
    device: text,
    device_id: {},
    metadata: {},
  },
} as const

/** Reply of GET /syncs/progress/:document; `{}` when there is no record. `metadata` is never returned. */
export const progressReply = {
  type: 'object',
  properties: {
    document: { type: 'string' },
    percentage: { type: 'number' },
    progress: { type: 'string' },
    device: { type: 'string' },
    device_id: { type: 'string' },
    timestamp: { type: 'integer' },
  },
} as const

/** Reply of PUT /syncs/progress: exactly these two. */
export const pushReply = {
  type: 'object',
  required: ['document', 'timestamp'],
  properties: { document: { type: 'string' }, timestamp: { type: 'integer' } },
} as const

const yes = { type: 'boolean', const: true } as const

/** Reply of POST /users/create. */
export const registeredReply = {
  type: 'object',
  required: ['username'],
  properties: { username: { type: 'string' } },
} as const

/** Reply of GET /users/auth. */
export const authorizedReply = {
  type: 'object',
  required: ['authorized'],
  properties: { authorized: { type: 'string', const: 'OK' } },
} as const

/** Reply of PUT /users/password. */
export const updatedReply = { type: 'object', required: ['updated'], properties: { updated: yes } } as const

/** Reply of DELETE /users/me. */
export const deletedReply = { type: 'object', required: ['deleted'], properties: { deleted: yes } } as const

/** Reply of GET /healthcheck. */
export const stateReply = {
  type: 'object',
  required: ['state'],
  properties: { state: { type: 'string', const: 'OK' } },
} as const

/** Every error body. @see PROTOCOL.md §2 */
export const errorReply = {
  type: 'object',
  required: ['code', 'message'],
  properties: { code: { type: 'integer' }, message: { type: 'string' } },
} as const

export type RegistrationBody = FromSchema<typeof registration>
export type PasswordChange = FromSchema<typeof passwordChange>
export type DocumentParams = FromSchema<typeof documentParams>
export type Push = FromSchema<typeof push>

/** What a reader tells of the book when its user allows it. @see PROTOCOL.md §3 */
export interface Metadata {
  filename?: string
  title?: string
  authors?: string
}

/** One position: the record that is stored. @see PROTOCOL.md §3 */
export interface Progress {
  document: string
  /** A fraction, 0 to 1 by convention; not range-checked. */
  percentage: number
  /** An XPointer, or a page number as a string. */
  progress: string
  device: string
  device_id?: string
  /** Seconds since 1970, made by the server. */
  timestamp: number
  metadata?: Metadata
  /** What an operator calls the document; a client neither sends nor sees it. */
  title?: string
}

const dayInSeconds = 86_400

/**
 * The record after a push: last write wins, even backwards, but the time of one document never goes back when the
 * clock does. A stored time more than a day ahead is ignored, metadata outlives a push without it, and so do fields
 * that kss does not know. @see PROTOCOL.md §3
 */
export function nextProgress(previous: Progress | undefined, pushed: Progress): Progress {
  if (!previous) return pushed
  const ahead = previous.timestamp > pushed.timestamp + dayInSeconds
  const timestamp = ahead ? pushed.timestamp : Math.max(pushed.timestamp, previous.timestamp)
  const next = { ...previous, ...pushed, timestamp }
  // It belongs to its push.
  if (pushed.device_id === undefined) delete next.device_id
  return next
}

/** Whether the push repeats the last push of the same device, so that only the time is new. */
export function isRepeat(
  previous: Progress | undefined,
  { progress, percentage, device, device_id }: Progress,
): boolean {
  return (
    previous?.progress === progress &&
    previous.percentage === percentage &&
    previous.device === device &&
    previous.device_id === device_id
  )
}

/**
 * Every error a client can see: PROTOCOL.md §2, and below the line the plain HTTP ones, whose code is the status.
 * KOReader shows the message of a 402 on register and of a 401 on login, word for word.
 */
export const errorTable = {
  unknown: { code: 2000, status: 500, message: 'Unknown server error.' },
  unauthorized: { code: 2001, status: 401, message: 'Unauthorized' },
  userExists: { code: 2002, status: 402, message: 'Username is already registered.' },
  invalidRequest: { code: 2003, status: 403, message: 'Invalid request' },
  documentMissing: { code: 2004, status: 403, message: "Field 'document' not provided." },
  registrationDisabled: { code: 2005, status: 403, message: 'User registration is disabled.' },
  // On a reader's screen, so it says what to do.
  registrationDisabledV1: {
    code: 2005,
    status: 402,
    message:
      'User registration is disabled. If you have an account, tap Login. If not, ask whoever runs this server to invite you.',
  },
  // A reader's screen shows the message of no other status.
  tooManyRegistrationsV1: { code: 2007, status: 402, message: 'Too many attempts. Try again later.' },
  tooManyAttempts: { code: 2007, status: 429, message: 'Too many attempts. Try again later.' },
  accountNotFound: { code: 2006, status: 404, message: 'Account not found.' },
  notJson: { code: 103, status: 400, message: 'Could not parse JSON in body.' },
  notAnObject: { code: 104, status: 400, message: 'Body should be a JSON hash.' },
  // -----
  badRequest: { code: 400, status: 400, message: 'Bad request.' },
  httpsOnly: { code: 400, status: 400, message: 'This port has https. Type https:// instead of http://.' },
  notFound: { code: 404, status: 404, message: 'Not found.' },
  methodNotAllowed: { code: 405, status: 405, message: 'Method not allowed.' },
  requestTimeout: { code: 408, status: 408, message: 'The request took too long.' },
  bodyTooLarge: { code: 413, status: 413, message: 'The request body is too large.' },
  expectationFailed: { code: 417, status: 417, message: 'Only 100-continue can be expected.' },
  tooManyConnections: { code: 429, status: 429, message: 'Too many connections from your address.' },
  headersTooLarge: { code: 431, status: 431, message: 'The request headers are too large.' },
  unavailable: { code: 503, status: 503, message: 'The server cannot do this now. Try again later.' },
  quotaReached: {
    code: 507,
    status: 507,
    message: 'Your account keeps as many books as this server allows.',
  },
  storageFull: { code: 507, status: 507, message: 'The disk of the server is full.' },
} as const

export type ErrorName = keyof typeof errorTable
