import { join } from 'node:path'
import { replaceFile } from './atomic-file.ts'
import { DamagedFile, parseObject } from './damaged-file.ts'
import { FileCache } from './file-cache.ts'
import type { Now, Registration } from './store.ts'

export const registrationName = '.registration.json'

const nobody: Registration = { invited: [] }

/** <dir>/.registration.json: what an operator said of who may sign up. Without it nothing was said. */
export class RegistrationFile {
  readonly #path: string
  readonly #files = new FileCache(parseRegistration)

  constructor(dir: string) {
    this.#path = join(dir, registrationName)
  }

  /** Rejects with DamagedFile: nobody knows then whether it was closed. */
  get(): Now<Registration> {
    return this.#files.peek(this.#path) ?? this.#files.get(this.#path, this.#path).then((found) => found ?? nobody)
  }

  async set(registration: Registration): Promise<void> {
    const stats = await replaceFile(this.#path, `${JSON.stringify(registration)}\n`)
    this.#files.set(this.#path, this.#path, registration, stats)
  }
}

/** What the text of the file says; throws DamagedFile. */
export function parseRegistration(text: string, _stats: unknown, path: string): Registration {
  const { open, until, invited = [] } = parseObject(text, path)
  const isValid =
    ['boolean', 'undefined'].includes(typeof open) &&
    ['number', 'undefined'].includes(typeof until) &&
    Array.isArray(invited) &&
    invited.every((name) => typeof name === 'string')
  if (!isValid) throw new DamagedFile(path, 'does not say who may register')
  return {
    ...(typeof open === 'boolean' && { open }),
    ...(typeof until === 'number' && { until }),
    invited,
  }
}
