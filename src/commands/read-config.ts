import { loadConfig, type Loaded, type Values } from '../config.ts'

/** Flags as commander returns them. */
export type Flags = Record<string, string | boolean>

/** The settings as flags, variables and the env file give them. Throws ConfigError. */
export function readConfig({ envFile, ...flags }: Flags): Loaded {
  const values: Values = {}
  for (const [flag, value] of Object.entries(flags)) {
    // Commander names flags in camelCase: `basePath` is --base-path and KSS_BASE_PATH.
    const words = flag.split(/(?=[A-Z])/)
    values[`KSS_${words.join('_').toUpperCase()}`] = value
  }
  return loadConfig(values, envFile === undefined ? undefined : String(envFile))
}
