import { plainJson } from '../plain.ts'

const longest = 120

/** A name from foreign data as it can stand in a line on a terminal: quoted, cut, without control characters. */
export function quote(name: string): string {
  const cut = name.length > longest ? `${name.slice(0, longest)}…` : name
  return plainJson(cut)
}

/** The same of a value that should be a name. An object is not shown: it may be as deep as it likes. */
export function quoteAny(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  return typeof value === 'object' && value !== null ? 'that is an object' : String(value)
}
