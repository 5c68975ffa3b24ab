import { pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const pbkdf2Async = promisify(pbkdf2)

/** The accepted costs. bcrypt has none below 4; a check of cost 14 takes a core for a second, each step doubles that. */
const bcryptCosts = { min: 4, max: 14 }
const maxIterations = 1_000_000

/** `$2b$12$<salt and hash>`, of KoInsight. */
const bcryptHash = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/

/** `pbkdf2$10000$<salt>$<hash in hex>`, of crosspoint-sync; the salt is used as the text that it is. */
const pbkdf2Hash = /^pbkdf2\$(\d{1,7})\$([^$]{1,128})\$([0-9a-fA-F]{64})$/

/** Whether another server made it, whole or damaged: never a key, then. */
export function isForeignHash(stored: string): boolean {
  return /^(\$2[aby]\$|pbkdf2\$)/.test(stored)
}

/** Whether the key belongs to a hash of another server; also false for a hash that is damaged or out of bounds. */
export async function matchesForeignHash(key: string, stored: string): Promise<boolean> {
  const cost = Number(bcryptHash.exec(stored)?.[1])
  if (cost >= bcryptCosts.min && cost <= bcryptCosts.max) return await matchesBcrypt(key, stored)
  const [, iterations, salt, hash] = pbkdf2Hash.exec(stored) ?? []
  if (!salt || !hash || Number(iterations) < 1 || Number(iterations) > maxIterations) return false
  const actual = await pbkdf2Async(key, salt, Number(iterations), 32, 'sha256')
  return timingSafeEqual(actual, Buffer.from(hash, 'hex'))
}

/** Loaded when the first one logs in: most servers never need it. */
async function matchesBcrypt(key: string, stored: string): Promise<boolean> {
  const { compare } = await import('bcryptjs')
  return await compare(key, stored)
}
