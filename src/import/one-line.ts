import { plainJson } from '../plain.ts'

const longest = 120

/** Formats a foreign name for one line on a terminal: quoted, shortened, without control characters. */
export function quote(name: string): string {
  const cut = name.length > longest ? `${name.slice(0, longest)}…` : name
  return plainJson(cut)
}

/** Formats a value that should be a name. Objects are not printed, since they may be nested without limit. */
export function quoteAny(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  return typeof value === 'object' && value !== null ? 'that is an object' : String(value)
}
