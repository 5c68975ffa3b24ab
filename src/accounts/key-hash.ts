import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { isForeignHash, matchesForeignHash } from './foreign-hash.ts'

const scryptAsync = promisify<string, Buffer, number, object, Buffer>(scrypt)

/** Default and greatest scrypt cost: N is 2 to this power. With r=8, p=1 a hash takes 16 MiB and some 50 ms; each step up doubles both. */
export const defaultLogN = 14
export const maxLogN = 20

/** `$scrypt$ln=14,r=8,p=1$<salt>$<hash>`. @see STORAGE.md §1, the PHC string format */
const phcString = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

/** Whether the stored key is a hash, ours or one of another server; anything else is a plain key of Python kss. */
export function isHash(stored: string): boolean {
  return stored.startsWith('$scrypt$') || isForeignHash(stored)
}

/** The binary logarithm of the stored hash's N; 0 for a plain key, and for a hash of another server. */
export function logNOf(stored: string): number {
  return Number(phcString.exec(stored)?.[1] ?? 0)
}

/** The PHC string of a key, with a fresh salt; `logN` is the binary logarithm of scrypt's N. */
export async function hashKey(key: string, logN: number = defaultLogN): Promise<string> {
  const salt = randomBytes(16)
  const hash = await derive(key, salt, 32, logN, 8, 1)
  return `$scrypt$ln=${logN},r=8,p=1$${base64(salt)}$${base64(hash)}`
}

/** Whether the key belongs to the hash; also false for a hash that is damaged or out of bounds. */
export async function matchesHash(key: string, stored: string): Promise<boolean> {
  if (isForeignHash(stored)) return await matchesForeignHash(key, stored)
  const [, ln, r, p, salt, hash] = phcString.exec(stored) ?? []
  if (!salt || !hash || Number(ln) > maxLogN || Number(r) > 16 || Number(p) > 4) return false
  const expected = Buffer.from(hash, 'base64')
  const actual = await derive(key, Buffer.from(salt, 'base64'), expected.length, Number(ln), Number(r), Number(p))
  return timingSafeEqual(actual, expected)
}

/** Whether the key equals the plain key that is stored, compared in a time that depends on neither. */
export function matchesPlain(key: string, stored: string): boolean {
  return timingSafeEqual(sha256(key), sha256(stored))
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function derive(key: string, salt: Buffer, length: number, ln: number, r: number, p: number): Promise<Buffer> {
  const N = 2 ** ln
  return scryptAsync(key, salt, length, { N, r, p, maxmem: 256 * N * r })
}

/** PHC strings carry base64 without padding. */
function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
