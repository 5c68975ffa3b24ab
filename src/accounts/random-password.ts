import { randomInt } from 'node:crypto'

/** Without letters that look like digits: it is typed on an e-reader. */
const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789'
const length = 12

/** 60 bits. */
export function randomPassword(): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}
