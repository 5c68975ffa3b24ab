import { join } from 'node:path'
import { makeFolder, replaceFile } from '../durable.ts'
import { ifPresent } from '../error-code.ts'
import { bridgeFolder, bridgeNames } from '../store/file-store/files/folder-names.ts'
import { readTrustedSync } from '../trusted-file.ts'
import { fieldsOf } from './replies.ts'
import { variables, type Values, type Variable } from './settings.ts'

/** Where a setting comes from. */
export type Source = 'environment' | 'console'

/** The settings of the console, which win over the environment: `<KSS_DIR>/.audiobookshelf/settings.json`, 0600. */
export class SettingsFile {
  readonly #folder: string
  readonly #path: string

  constructor(dir: string) {
    this.#folder = join(dir, bridgeFolder)
    this.#path = join(this.#folder, bridgeNames.settings)
  }

  /** Empty when there are none. Throws what the file system says, and for what is no JSON. */
  get(): Values {
    const text = ifPresent(() => readTrustedSync(this.#path))?.toString()
    if (text === undefined) return {}
    const fields = Object.entries(fieldsOf(parse(text, this.#path)))
    return Object.fromEntries(fields.filter(([name, value]) => isVariable(name) && typeof value === 'string'))
  }

  /** Durably; the caller has checked them. A name without a value goes. */
  async put(changes: Partial<Record<Variable, string | undefined>>): Promise<void> {
    const values = { ...this.get(), ...changes }
    await makeFolder(this.#folder)
    await replaceFile(this.#path, `${JSON.stringify(values)}\n`)
  }
}

function isVariable(name: string): name is Variable {
  return Object.hasOwn(variables, name)
}

/** The error of JSON.parse would quote secrets. */
function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new Error(`${path} is not JSON`)
  }
}
