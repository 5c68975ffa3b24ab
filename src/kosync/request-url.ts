/** Up to the document of a position, which is all that follows: PUT takes `a//b`, `/a` and `a/` too. */
const beforeDocument = /^[^?#]*?\/syncs\/+progress\/(?=[^?#])/

/**
 * The URL as the router shall see it: `//` counts as `/` and a slash at the end does not matter, because some people
 * type such an address into their reader. A document stays as it was sent. @see PROTOCOL.md §1
 */
export function normalizeUrl(url: string): string {
  if (isNormal(url)) return url
  // RFC 9112 §3.2.2: the absolute form, which the router would make a path of.
  const path = url.replace(/^https?:\/\/.*?\//, '/')
  if (!path.startsWith('/')) return url
  const [start] = beforeDocument.exec(path) ?? []
  if (start !== undefined) return oneSlash(start) + path.slice(start.length)
  const end = path.search(/[?#]|$/)
  return oneSlash(path.slice(0, end)).replace(/(?<=.)\/$/, '') + path.slice(end)
}

/** Most URLs are, and this is quicker to find out. */
function isNormal(url: string): boolean {
  return url.startsWith('/') && !url.endsWith('/') && !url.includes('//') && !url.includes('?') && !url.includes('#')
}

function oneSlash(path: string): string {
  return path.replace(/\/{2,}/g, '/')
}

/**
 * What stands before a path of the protocol: `/kosync` of `/kosync/users/auth`, empty of `/users/auth`; undefined where
 * the path is none of the protocol's.
 */
export function prefixOf(path: string): string | undefined {
  return /^((?:\/.*)?)\/(?:users\/(?:create|auth|password|me)|syncs\/progress|healthcheck)(?:\/|$)/.exec(path)?.[1]
}
