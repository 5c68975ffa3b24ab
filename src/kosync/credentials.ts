import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

export interface Credentials {
  username: string
  /** What x-auth-key carries: for KOReader the lower-case hex MD5 of the password. */
  key: string
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * x-auth-user and x-auth-key, or else Basic user:password; x-auth wins where both are sent. Undefined when there are
 * none. @see PROTOCOL.md §1
 */
export function readCredentials(headers: IncomingHttpHeaders): Credentials | undefined {
  const { 'x-auth-user': user, 'x-auth-key': key, authorization } = headers
  if (user && key) return { username: decodeHeader(String(user)), key: decodeHeader(String(key)) }
  return authorization === undefined ? undefined : readBasic(authorization)
}

/** The key that KOReader makes of a password: the lower-case hex MD5 of its UTF-8 bytes. @see PROTOCOL.md §1 */
export function keyOfPassword(password: string): string {
  return createHash('md5').update(password).digest('hex')
}

/** KOReader sends raw UTF-8 bytes, Node hands them over as latin1. */
function decodeHeader(value: string): string {
  return /^[\0-\x7f]*$/.test(value) ? value : decode(Buffer.from(value, 'latin1'))
}

/** KOReader and curl send UTF-8; browsers, Node's fetch and Python's requests send latin1. @see PROTOCOL.md §1 */
function decode(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return bytes.toString('latin1')
  }
}

/** @see RFC 7617 */
function readBasic(authorization: string): Credentials | undefined {
  const [, token] = /^basic +([A-Za-z0-9+/_-]+=*) *$/i.exec(authorization) ?? []
  if (token === undefined) return undefined
  // Decoded as a whole, because a client has one encoding for both parts.
  const text = decode(Buffer.from(token, 'base64'))
  const colon = text.indexOf(':')
  if (colon < 1 || colon === text.length - 1) return undefined
  return { username: trimBlanks(text.slice(0, colon)), key: keyOfPassword(text.slice(colon + 1)) }
}

/** Without blanks at the ends: HTTP takes them off a header's value, so a name can't have them. */
export function trimBlanks(name: string): string {
  return name.replace(/^ +| +$/g, '')
}
