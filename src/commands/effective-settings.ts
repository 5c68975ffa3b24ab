import { settings, type Config, type Loaded } from '../config.ts'
import { withoutPassword } from '../store-settings.ts'

/** A setting as it is in force. */
export interface EffectiveSetting {
  name: string
  value: unknown
  /** `default`, `environment`, `flag`, or `env file` with its path. */
  source: string
}

/** Every setting, in the order of the documentation. No value is a secret. */
export function listSettings({ config, sources }: Pick<Loaded, 'config' | 'sources'>): EffectiveSetting[] {
  return Object.keys(settings.properties).map((name) => ({
    name,
    value: name === 'KSS_STORE' ? withoutPassword(config.KSS_STORE) : (config[name as keyof Config] as unknown),
    source: sources[name] ?? 'default',
  }))
}

/** The value as a user types it. */
export function formatSetting(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value)
}
