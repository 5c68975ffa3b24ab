import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, replaceFile, syncFolder, tempPrefix } from '../../durable.ts'
import { DamagedFile, parseObject } from '../../damaged-file.ts'
import { unlessAbsent } from '../../error-code.ts'
import { checkFolder, readTrusted } from '../../trusted-file.ts'
import { Mutex } from '../../mutex.ts'
import { isIdle, surplusOf } from '../session.ts'
import type { Now, Session, SessionStore } from '../store.ts'
import { consoleFolder, sessionFileName, sessionsFolder } from './files/folder-names.ts'

export interface SessionFilesOptions {
  /** The state directory. */
  dir: string
  /** Milliseconds since 1970. */
  now?: () => number
}

/**
 * <dir>/.console/sessions/<hash>.json. All are read at the first call, which removes those that have ended; after that
 * they are in memory. A file that cannot be read is worth nothing: its owner signs in again.
 */
export class SessionFiles implements SessionStore {
  readonly #dir: string
  readonly #now: () => number
  readonly #changes = new Mutex()
  #loading: Promise<Map<string, Session>> | undefined
  #sessions: Map<string, Session> | undefined

  constructor({ dir, now = Date.now }: SessionFilesOptions) {
    this.#dir = dir
    this.#now = now
  }

  get #folder(): string {
    return join(this.#dir, consoleFolder, sessionsFolder)
  }

  getSession(hash: string): Now<Session | undefined> {
    return this.#sessions ? this.#sessions.get(hash) : this.#load().then((sessions) => sessions.get(hash))
  }

  putSession(session: Session): Promise<void> {
    return this.#change(async (sessions) => {
      await makeFolder(join(this.#dir, consoleFolder))
      await makeFolder(this.#folder)
      const { hash, ...said } = session
      await replaceFile(this.#path(hash), `${JSON.stringify(said)}\n`)
      sessions.set(hash, session)
      await this.#remove(sessions, surplusOf(sessions.values(), session))
    })
  }

  deleteSession(hash: string): Promise<void> {
    return this.#change((sessions) =>
      this.#remove(
        sessions,
        [sessions.get(hash)].filter((session) => session !== undefined),
      ),
    )
  }

  deleteSessions(accountId: string): Promise<void> {
    return this.#change((sessions) =>
      this.#remove(
        sessions,
        [...sessions.values()].filter((session) => session.accountId === accountId),
      ),
    )
  }

  #change(work: (sessions: Map<string, Session>) => Promise<void>): Promise<void> {
    return this.#changes.run(async () => await work(await this.#load()))
  }

  /** In memory at once: they have ended, whatever the disk does. */
  async #remove(sessions: Map<string, Session>, ended: Session[]): Promise<void> {
    for (const { hash } of ended) sessions.delete(hash)
    for (const { hash } of ended) await rm(this.#path(hash), { force: true })
    if (ended.length > 0) await syncFolder(this.#folder)
  }

  async #load(): Promise<Map<string, Session>> {
    this.#loading ??= this.#read()
    try {
      this.#sessions = await this.#loading
      return this.#sessions
    } catch (error) {
      this.#loading = undefined
      throw error
    }
  }

  async #read(): Promise<Map<string, Session>> {
    const sessions = new Map<string, Session>()
    await checkFolder(join(this.#dir, consoleFolder))
    for (const name of (await unlessAbsent(readdir(this.#folder))) ?? []) {
      const hash = sessionFileName.exec(name)?.[1]
      const session = hash === undefined ? undefined : await this.#readOne(hash)
      const isLeftOver = hash === undefined ? name.startsWith(tempPrefix) : !session
      if (session) sessions.set(session.hash, session)
      else if (isLeftOver) await rm(join(this.#folder, name), { force: true })
    }
    return sessions
  }

  /** Undefined when it has ended, or cannot be read. */
  async #readOne(hash: string): Promise<Session | undefined> {
    const path = this.#path(hash)
    try {
      const session = sessionOf(hash, parseObject(await readTrusted(path), path))
      return session && !isIdle(session, this.#now() / 1000) ? session : undefined
    } catch (error) {
      if (error instanceof DamagedFile) return undefined
      throw error
    }
  }

  #path(hash: string): string {
    return join(this.#folder, `${hash}.json`)
  }
}

function sessionOf(hash: string, said: Record<string, unknown>): Session | undefined {
  const { username, accountId, generation, isOperator, created, lastSeen, lastPassword } = said
  const isWhole =
    typeof username === 'string' &&
    typeof accountId === 'string' &&
    typeof isOperator === 'boolean' &&
    [generation, created, lastSeen, lastPassword].every(Number.isSafeInteger)
  return isWhole ? ({ ...said, hash } as Session) : undefined
}
