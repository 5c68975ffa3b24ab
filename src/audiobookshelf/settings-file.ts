import { join } from 'node:path'
import { makeFolder, replaceFile } from '../durable.ts'
import { ifPresent } from '../error-code.ts'
import { bridgeFolder, bridgeNames } from '../store/file-store/files/folder-names.ts'
import { readTrustedSync } from '../trusted-file.ts'
import { fieldsOf, type Fields } from './replies.ts'
import { variables, type Values, type Variable } from './settings.ts'

/** The source of a setting. */
export type Source = 'environment' | 'console'

/** The settings of the console, which win over the environment: `<KSS_DIR>/.audiobookshelf/settings.json`, 0600. */
export class SettingsFile {
  readonly #folder: string
  readonly #path: string

  constructor(dir: string) {
    this.#folder = join(dir, bridgeFolder)
    this.#path = join(this.#folder, bridgeNames.settings)
  }

  /** The settings; empty if there are none. Throws as the file system does, and if the file is no JSON. */
  get(): Values {
    const fields = Object.entries(this.#read())
    return Object.fromEntries(fields.filter(([name, value]) => isVariable(name) && typeof value === 'string'))
  }

  /** When secrets were set here, in seconds since 1970: by the setting, or the setting and the user. */
  dates(): ReadonlyMap<string, number> {
    const dates = Object.entries(fieldsOf(this.#read()['dates']))
    return new Map(dates.filter((each): each is [string, number] => typeof each[1] === 'number'))
  }

  /** Stores validated settings durably. A name without a value is removed. */
  async put(
    changes: Partial<Record<Variable, string | undefined>>,
    dates: Record<string, number | undefined> = {},
  ): Promise<void> {
    const values = { ...this.get(), ...changes, dates: { ...Object.fromEntries(this.dates()), ...dates } }
    await makeFolder(this.#folder)
    await replaceFile(this.#path, `${JSON.stringify(values)}\n`)
  }

  #read(): Fields {
    const text = ifPresent(() => readTrustedSync(this.#path))?.toString()
    return text === undefined ? {} : fieldsOf(parse(text, this.#path))
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
