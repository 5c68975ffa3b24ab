import { createHash } from 'node:crypto'
import { realpath, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyBaseLogger } from 'fastify'
import { VerifiedKeys, type KeptKeys } from '../accounts/verified-keys.ts'
import type { Config } from '../config.ts'
import { writeNewFile } from '../durable.ts'
import { unlessAbsent } from '../error-code.ts'
import { checkFolder, openTrusted } from '../trusted-file.ts'

/*
 * Verified keys wait in a file of the runtime directory from a clean stop to the next start, so that readers need not
 * prove their keys anew. The file is a fast password file: it is only ever in memory (tmpfs or ramfs), outside of the state
 * directory, 0600, deleted before it is used, and no good after ten minutes. Where any of that fails, nothing is kept.
 * @see STORAGE.md §3
 */

/** TMPFS_MAGIC and RAMFS_MAGIC of statfs(2). */
const inMemory = new Set([0x01021994, 0x858458f6])

/** Milliseconds. */
const validMs = 10 * 60_000

/** More than the largest file: all keys of VerifiedKeys, with names of the greatest length. */
const mostBytes = 128 * 2 ** 20

/** The types of the elements of a KeptKey. */
const types = 'string,string,string,number'

interface Content extends KeptKeys {
  format: 1
  /** Milliseconds since 1970. */
  written: number
}

export interface KeptVerifiedKeys {
  verified: VerifiedKeys
  /** Writes the verified keys for the next start. Never rejects. */
  save: () => Promise<void>
}

/** The keys that the last server of the state directory verified, if it left them; the file is gone then. */
export async function takeKeptKeys(
  config: Config,
  logger: FastifyBaseLogger,
  now: () => number = Date.now,
): Promise<KeptVerifiedKeys> {
  const onError = (err: unknown): undefined => {
    logger.debug({ err }, 'verified keys are not kept')
  }
  const path = await findPath(config).catch(onError)
  const kept = path === undefined ? undefined : await takeFile(path, now()).catch(onError)
  const leastLogN = config.KSS_HASH_KEYS ? config.KSS_SCRYPT_COST : 0
  const verified = new VerifiedKeys({ kept, leastLogN })
  const save = async (): Promise<void> => {
    if (path !== undefined) await replaceFile(path, { format: 1, written: now(), ...verified.keep() }).catch(onError)
  }
  return { verified, save }
}

/** The path of the file, with a name for each state directory; undefined where no keys may be kept. */
async function findPath({ KSS_DIR, runtimeDir }: Config): Promise<string | undefined> {
  if (runtimeDir === undefined) return undefined
  const [dir, folder] = [await realpath(KSS_DIR), await realpath(runtimeDir)]
  const { type } = await statfs(folder)
  if (!inMemory.has(type) || join(folder, '/').startsWith(join(dir, '/'))) return undefined
  await checkFolder(folder)
  return join(folder, `kss-verified-${createHash('sha256').update(dir).digest('hex').slice(0, 16)}.json`)
}

async function takeFile(path: string, now: number): Promise<KeptKeys | undefined> {
  const file = await unlessAbsent(openTrusted(path))
  if (!file) return undefined
  try {
    await rm(path)
    const stats = await file.stat()
    const isOwn = stats.isFile() && stats.uid === process.geteuid?.() && (stats.mode & 0o077) === 0
    if (!isOwn || stats.size > mostBytes) return undefined
    const content = parse(await file.readFile('utf8'))
    return isContent(content) && content.written <= now && now <= content.written + validMs ? content : undefined
  } finally {
    await file.close()
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The message of JSON.parse quotes the text, which must not be logged.
    throw new Error('the file is not whole')
  }
}

function isContent(value: unknown): value is Content {
  const { format, written, secret, keys } = Object(value) as Record<keyof Content, unknown>
  const isWhole = format === 1 && typeof written === 'number' && typeof secret === 'string' && Array.isArray(keys)
  return isWhole && keys.every((key) => Array.isArray(key) && key.map((each) => typeof each).join() === types)
}

async function replaceFile(path: string, content: Content): Promise<void> {
  await rm(path, { force: true })
  try {
    await writeNewFile(path, JSON.stringify(content))
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}
