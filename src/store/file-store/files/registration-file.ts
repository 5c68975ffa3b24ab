import { join } from 'node:path'
import { replaceFile } from '../../../durable.ts'
import { DamagedFile, parseObject } from '../../../damaged-file.ts'
import { Mutex } from '../../../mutex.ts'
import { FileCache } from '../file-cache.ts'
import type { Now, Registration } from '../../store.ts'

export const registrationName = '.registration.json'

/** Bounds the size of the file: a loop of registrations and deletions must not fill the disk. */
const mostRemoved = 10_000

/** A registration whose `removed` is always set. */
type Said = Registration & Required<Pick<Registration, 'removed'>>

const nobody: Registration = { invited: [] }

/** <dir>/.registration.json: who may sign up, as set by an operator. Without the file the settings decide. */
export class RegistrationFile {
  readonly #path: string
  readonly #files = new FileCache(parseRegistration)
  /** Serialises updates, which read and then replace the file. */
  readonly #mutex = new Mutex()

  constructor(dir: string) {
    this.#path = join(dir, registrationName)
  }

  /** Rejects with DamagedFile: it is unknown then whether registration was closed. */
  get(): Now<Registration> {
    return this.#files.peek(this.#path) ?? this.#files.get(this.#path, this.#path).then((found) => found ?? nobody)
  }

  /** Replaces the file by what `change` returns, after all earlier updates. Undefined changes nothing. */
  update(change: (said: Said) => Said | undefined): Promise<void> {
    return this.#mutex.run(async () => {
      const registration = change({ removed: [], ...(await this.get()) })
      if (registration) await this.#replace(registration)
    })
  }

  /** Runs work that may replace the file, after all earlier updates. Later updates wait for it. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#mutex.run(work)
  }

  /** Adds the names to the removed names, of which the newest 10,000 are kept, or takes them off. */
  setRemoved(usernames: string[], isRemoved: boolean): Promise<void> {
    const names = new Set(usernames)
    return this.update(({ removed, ...said }) => {
      const others = removed.filter((name) => !names.has(name))
      return { ...said, removed: isRemoved ? [...others, ...usernames].slice(-mostRemoved) : others }
    })
  }

  async #replace({ removed, ...said }: Said): Promise<void> {
    const registration = { ...said, ...(removed.length > 0 && { removed }) }
    const stats = await replaceFile(this.#path, `${JSON.stringify(registration)}\n`)
    this.#files.set(this.#path, this.#path, registration, stats)
  }
}

/** Parses the file; throws DamagedFile. */
export function parseRegistration(text: string, _stats: unknown, path: string): Registration {
  const { open, until, invited = [], removed = [] } = parseObject(text, path)
  const isValid =
    ['boolean', 'undefined'].includes(typeof open) &&
    ['number', 'undefined'].includes(typeof until) &&
    areNames(invited) &&
    areNames(removed)
  if (!isValid) throw new DamagedFile(path, 'does not say who may register')
  return {
    ...(typeof open === 'boolean' && { open }),
    ...(typeof until === 'number' && { until }),
    invited,
    ...(removed.length > 0 && { removed }),
  }
}

function areNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string')
}
