import type { SettingsFile, Source } from './settings-file.ts'
import {
  readSettings,
  secrets,
  variables,
  type ReadFile,
  type Settings,
  type Values,
  type Variable,
} from './settings.ts'

export interface SettingsEditorOptions {
  environment: Values
  /** The console's settings; undefined if only the environment has settings. */
  file: SettingsFile | undefined
  readFile: ReadFile
  /** Called with the new settings and the names of the changed ones. */
  onChange: (settings: Settings, names: Variable[]) => void
  now?: () => number
}

/** A setting as the page shows it. */
export interface ShownSetting {
  name: Variable
  /** The value; empty if not set. Of a secret only that it is set. */
  value: string
  source: Source
  /** When a secret was set in the console, in seconds since 1970. */
  date?: number | undefined
}

export const onlyEnvironment =
  'With KSS_STORE these settings come from the environment of each server: they cannot be changed here.'

/** Changes the settings of the running bridge. Secrets can be written but not read. */
export class SettingsEditor {
  readonly #options: SettingsEditorOptions

  constructor(options: SettingsEditorOptions) {
    this.#options = options
  }

  list(): ShownSetting[] {
    const { environment } = this.#options
    const [own, dates] = [this.#own, this.#dates]
    return (Object.keys(variables) as Variable[]).map((name) => {
      const value = own[name] ?? environment[name] ?? ''
      const shown = value !== '' && secrets.has(name) ? hintOf(value) : value
      return { name, value: shown, source: own[name] === undefined ? 'environment' : 'console', date: dates.get(name) }
    })
  }

  /** Users with keys of their own, and the visible parts of these keys. */
  listKeys(): { username: string; key: string; date?: number | undefined }[] {
    const users = [...(this.#read({})?.users ?? [])]
    const dates = this.#dates
    return users.map(([username, key]) => ({
      username,
      key: key === false ? 'never' : hintOf(key.apiKey),
      date: dates.get(dateOfKey(username)),
    }))
  }

  /** Stores settings durably and applies them. Undefined leaves a setting to the environment. Resolves to the error, if any. */
  async change(
    changes: Partial<Record<Variable, string | undefined>>,
    dates: Record<string, number | undefined> = {},
  ): Promise<string | undefined> {
    const { file, onChange } = this.#options
    if (!file) return onlyEnvironment
    let settings: Settings | undefined
    try {
      settings = this.#read(changes)
    } catch (error) {
      return (error as Error).message
    }
    if (!settings) return 'The bridge needs an address.'
    const set = Object.entries(changes).filter(([name]) => secrets.has(name as Variable))
    const dated = set.map(([name, value]) => [name, value === undefined ? undefined : this.#today])
    await file.put(changes, { ...Object.fromEntries(dated), ...dates })
    onChange(settings, Object.keys(changes) as Variable[])
    return undefined
  }

  /** Sets the key of a user; an empty one removes it. Resolves to the error, if any. */
  async setKey(username: string, key: string): Promise<string | undefined> {
    const users = [...(this.#read({})?.users ?? [])].filter(([name]) => name !== username)
    const others = users.map(([name, own]) => [
      name,
      own && { api_key: own.apiKey, user_id: own.userId, device: own.device, user_token: own.userToken },
    ])
    const entries = key === '' ? others : [...others, [username, key]]
    const map = JSON.stringify(Object.fromEntries(entries))
    const date = key === '' ? undefined : this.#today
    return await this.change({ AUDIOBOOKSHELF_USER_MAP: map }, { [dateOfKey(username)]: date })
  }

  get isReadOnly(): boolean {
    return !this.#options.file
  }

  get #own(): Values {
    return this.#options.file?.get() ?? {}
  }

  get #dates(): ReadonlyMap<string, number> {
    return this.#options.file?.dates() ?? new Map<string, number>()
  }

  get #today(): number {
    const { now = Date.now } = this.#options
    return Math.floor(now() / 1000)
  }

  #read(changes: Partial<Record<Variable, string | undefined>>): Settings | undefined {
    const { environment, readFile } = this.#options
    const own = Object.entries({ ...this.#own, ...changes }).filter(([, value]) => value !== undefined)
    return readSettings({ ...environment, ...Object.fromEntries(own) }, readFile)
  }
}

function dateOfKey(username: string): string {
  return `AUDIOBOOKSHELF_USER_MAP ${username}`
}

/** The visible part of a secret: enough to tell two apart. */
function hintOf(secret: string): string {
  return secret.length < 16 || secret.includes('{') ? 'set' : `set, ends in …${secret.slice(-4)}`
}
