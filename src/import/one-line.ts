import { plainJson } from '../plain.ts'

const longest = 120

/** A name from foreign data as it can stand in a line on a terminal: quoted, cut, without control characters. */
export function quote(name: string): string {
  const cut = name.length > longest ? `${name.slice(0, longest)}…` : name
  return plainJson(cut)
}
