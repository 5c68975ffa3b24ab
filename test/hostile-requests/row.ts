/** Bytes that no reader sends, and what must come of them. In all these tables a string is bytes, a character for each. */
export interface Row {
  name: string
  bytes: string
  /**
   * What may be seen: the status of each answer, with the code of an error, as `200, 400 103`. More than one only where
   * the order of events or the version of Node decides, with the reason beside it.
   */
  expect: readonly string[]
  /** What it writes to the store, as `put abc`; nothing unless it says so. */
  stores?: string
  /** Its answers have no body: HEAD. */
  bodiless?: boolean
}

/** The user of all requests that have credentials. */
export const username = 'ann'
export const key = '5ebe2294ecd0e0f08eab7690d2a6ee69'
export const credentials = [`x-auth-user: ${username}`, `x-auth-key: ${key}`]

export function row(name: string, expect: string | readonly string[], bytes: string): Row {
  return { name, bytes, expect: typeof expect === 'string' ? [expect] : expect }
}

/** A request of HTTP/1.1 that says how long its body is. */
export function request(line: string, headers: readonly string[] = [], body?: string): string {
  return message(`${line} HTTP/1.1`, ['Host: kss', ...headers, ...lengthOf(body)], body)
}

/** The same without a header of its own. */
export function message(line: string, headers: readonly string[] = [], body = ''): string {
  return `${[line, ...headers].join('\r\n')}\r\n\r\n${body}`
}

/** The body as one chunk. */
export function chunked(line: string, headers: readonly string[], body: string): string {
  const chunk = body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`
  return request(line, [...headers, 'Transfer-Encoding: chunked']) + `${chunk}0\r\n\r\n`
}

/** The bytes of the text's UTF-8. */
export function utf8(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** The bytes that hex digits stand for; blanks between them are for people. */
export function hex(digits: string): string {
  return Buffer.from(digits.replaceAll(' ', ''), 'hex').toString('latin1')
}

/** A part of a row's name: what people can read of it, and not too much. */
export function show(text: string): string {
  const shown = JSON.stringify(text).replace(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`)
  return shown.length > 60 ? `${shown.slice(0, 57)}… (${text.length})` : shown
}

const lengthOf = (body: string | undefined): string[] => (body === undefined ? [] : [`Content-Length: ${body.length}`])

/** A push that would be stored. */
export const push = { document: 'hostile', percentage: 0.5, progress: '56', device: 'kpw' }

/** A request that is never to be heard where it stands; that of a row that stores nothing. */
export const smuggled = request('PUT /syncs/progress', credentials, JSON.stringify({ ...push, document: 'smuggled' }))

/** Where a body is read. All need no more than the name and the credentials to get to it. */
export const bodyRoutes = [
  { line: 'POST /users/create', headers: [] },
  { line: 'PUT /users/password', headers: credentials },
  { line: 'PUT /syncs/progress', headers: credentials },
] as const
