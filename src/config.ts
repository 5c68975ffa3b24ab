import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import envSchema from 'env-schema'
import { closest } from 'fastest-levenshtein'
import type { FromSchema } from 'json-schema-to-ts'
import { defaultDir } from './default-dir.ts'
import { defaultLogN, maxLogN } from './accounts/key-hash.ts'
import { listSettings, readLists, type ListConfig } from './list-settings.ts'
import { findRuntimeDir } from './runtime-dir.ts'
import { metricsSettings } from './metrics-settings.ts'
import { checkStore, storeSettings, withoutPassword } from './store-settings.ts'
import { readTls, tlsSettings } from './tls-settings.ts'
import { readUpstream, upstreamSettings, type UpstreamConfig } from './upstream-settings.ts'

const limit = {
  type: 'integer',
  minimum: 0,
  maximum: 1_000_000_000,
  description: 'a whole number, 0 for no limit',
} as const

/** Every setting: its type, its default, and in `description` what a value must be. Documented in docs/configuration.md. */
export const settings = {
  type: 'object',
  properties: {
    KSS_HOST: { type: 'string', default: '0.0.0.0', description: 'an address of this machine, as 0.0.0.0 or ::' },
    KSS_PORT: {
      type: 'integer',
      minimum: 0,
      maximum: 65_535,
      default: 8080,
      description: 'a whole number from 0 to 65535',
    },
    KSS_DIR: { type: 'string', description: 'a folder' },
    ...storeSettings,
    KSS_BASE_PATH: {
      type: 'string',
      pattern: '^(/?[\\w~-][\\w.~-]*(/[\\w~-][\\w.~-]*)*)?/?$',
      default: '',
      description: 'a path like /kosync',
    },
    KSS_DISABLE_REGISTRATION: { type: 'boolean', default: false, description: 'true or false' },
    KSS_CONSOLE: { type: 'boolean', default: true, description: 'true or false' },
    KSS_HISTORY: { type: 'boolean', default: true, description: 'true or false' },
    KSS_HISTORY_LIMIT: { ...limit, default: 1000 },
    KSS_QUOTA_DOCUMENTS: { ...limit, default: 10_000 },
    KSS_QUOTA_BYTES: { ...limit, maximum: Number.MAX_SAFE_INTEGER, default: 100 * 2 ** 20 },
    KSS_WAL_MAX: {
      type: 'integer',
      minimum: 16 * 2 ** 20,
      maximum: Number.MAX_SAFE_INTEGER,
      default: 256 * 2 ** 20,
      description: 'a whole number of bytes, 16777216 at least',
    },
    KSS_HASH_KEYS: { type: 'boolean', default: true, description: 'true or false' },
    KSS_SCRYPT_COST: {
      type: 'integer',
      minimum: defaultLogN,
      maximum: maxLogN,
      default: defaultLogN,
      description: 'a whole number from 14 to 20',
    },
    KSS_LOGIN_FAILURES_PER_MINUTE: { ...limit, default: 60 },
    KSS_REGISTRATIONS_PER_HOUR: { ...limit, default: 20 },
    KSS_CONNECTIONS_PER_ADDRESS: { ...limit, default: 200 },
    KSS_DRAIN_SECONDS: {
      type: 'integer',
      minimum: 0,
      maximum: 3600,
      default: 0,
      description: 'a whole number from 0 to 3600',
    },
    ...metricsSettings,
    ...tlsSettings,
    ...listSettings,
    ...upstreamSettings,
    KSS_LOG_LEVEL: {
      type: 'string',
      enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      default: 'info',
      description: 'trace, debug, info, warn, error, fatal or silent',
    },
    KSS_LOG_FORMAT: {
      type: 'string',
      enum: ['auto', 'pretty', 'json'],
      default: 'auto',
      description: 'auto, pretty or json',
    },
  },
  required: ['KSS_DIR'],
  additionalProperties: false,
} as const

type Settings = FromSchema<typeof settings>
type Name = keyof typeof settings.properties

/** The settings, checked. The keys are the names of the variables. */
export interface Config
  extends Omit<Required<Settings>, keyof ListConfig | 'KSS_UPSTREAM_USERS'>, ListConfig, UpstreamConfig {
  /** No setting: RUNTIME_DIRECTORY or XDG_RUNTIME_DIR of the system. */
  runtimeDir: string | undefined
  /** The variables of the Audiobookshelf bridge, not checked: it is loaded only when it is used. They hold secrets. */
  audiobookshelf: Readonly<Record<string, string>>
}

/** Values as a flag or a variable gives them. */
export type Values = Partial<Record<string, string | boolean>>

/** A setting that can't be; the message is one line for a person. */
export class ConfigError extends Error {}

/** What was found. */
export interface Loaded {
  config: Config
  /** Lines for a person. */
  warnings: string[]
  /** Where each setting that is not the default comes from. */
  sources: Record<string, string>
}

/**
 * Flags beat the environment, which beats the env file, which beats the defaults. Throws ConfigError; also for a folder that
 * a flag names where a setting names an engine: a command must not change other accounts than those that are meant.
 */
export function loadConfig(
  flags: Values = {},
  envFile?: string,
  env: Values = process.env,
  platform: string = process.platform,
): Loaded {
  const fromFile = readEnv(envFile)
  const file = pickKss(fromFile)
  const variables = { ...file, ...pickKss(env) }
  const warnings = takeUnknown(variables)
  const values = { KSS_DIR: defaultDir(env, platform), ...variables, ...pickKss(flags) }
  const checked = check(values)
  const bad = (name: Name): ConfigError => badValue(name, { [name]: String(checked[name]) })
  checkStore(checked, bad)
  checkMetricsPort(checked)
  if (flags['KSS_DIR'] !== undefined && checked.KSS_STORE !== '') {
    throw new ConfigError(
      '--dir names a folder, and KSS_STORE is set: accounts are in only one of them. Leave one out.',
    )
  }
  return {
    config: {
      ...checked,
      KSS_DIR: resolve(checked.KSS_DIR),
      KSS_BASE_PATH: checked.KSS_BASE_PATH.replace(/\/$/, '').replace(/^(?=[^/])/, '/'),
      ...readLists(checked, bad),
      ...readTls(checked, bad),
      ...readUpstream(checked, bad),
      runtimeDir: findRuntimeDir(env, platform),
      audiobookshelf: { ...pickBridge(fromFile), ...pickBridge(env) },
    },
    warnings,
    sources: {
      ...sourceOf(file, `env file ${envFile}`),
      ...sourceOf(pickKss(env), 'environment'),
      ...sourceOf(pickKss(flags), 'flag'),
    },
  }
}

function checkMetricsPort(checked: Required<Settings>): void {
  const { KSS_HOST: host, KSS_METRICS_PORT: port, KSS_METRICS_HOST: metricsHost } = checked
  const other = (['KSS_PORT', 'KSS_TLS_PORT'] as const).find((name) => checked[name] === port)
  // A server on all addresses of the machine has that of the metrics too.
  if (port !== 0 && other && ['0.0.0.0', '::', metricsHost].includes(host))
    throw new ConfigError(`KSS_METRICS_PORT is ${port}, as is ${other}: metrics need a port of their own.`)
}

function sourceOf(values: Values, source: string): Record<string, string> {
  return Object.fromEntries(Object.keys(values).map((name) => [name, source]))
}

function check(values: Values): Required<Settings> {
  const data = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, asBoolean(name, value)]))
  try {
    // Its type says no more than that; the schema guarantees the rest.
    return envSchema<Required<Settings>>({ schema: structuredClone(settings), data, env: false })
  } catch (error) {
    const [first] = (error as { errors: { instancePath: string }[] }).errors
    throw badValue(first?.instancePath.slice(1) as Name, values)
  }
}

function badValue(name: Name, values: Values): ConfigError {
  const value = name === 'KSS_STORE' ? withoutPassword(String(values[name])) : values[name]
  return new ConfigError(`${name} is "${value}": expected ${settings.properties[name].description}.`)
}

/** An empty variable counts as unset. */
function pickKss(values: Values): Values {
  return Object.fromEntries(
    Object.entries(values).filter(([name, value]) => name.startsWith('KSS_') && value !== '' && value !== undefined),
  )
}

/** The same of the variables of the Audiobookshelf bridge. */
function pickBridge(values: Values): Record<string, string> {
  const found = Object.entries(values).filter(([name, value]) => name.startsWith('AUDIOBOOKSHELF_') && value !== '')
  return Object.fromEntries(found.map(([name, value]) => [name, String(value)]))
}

/** Takes what is no setting out of the variables; resolves to a line for each that a person should know of. */
function takeUnknown(variables: Values): string[] {
  const warnings: string[] = []
  const names = Object.keys(settings.properties)
  for (const [name, value] of Object.entries(variables)) {
    if (name === 'KSS_PORT' && /^\w+:\/\//.test(String(value))) {
      delete variables[name]
      warnings.push(
        `KSS_PORT is "${value}", as Kubernetes sets it for a service called kss: ignored. Use --port, or rename the service.`,
      )
    } else if (!names.includes(name)) {
      delete variables[name]
      // The other variables that Kubernetes makes of such a service.
      if (/^KSS_(SERVICE_|PORT_)/.test(name)) continue
      warnings.push(`${name} is not a setting of kss: ignored. Did you mean ${closest(name, names)}?`)
    }
  }
  return warnings
}

function asBoolean(name: string, value: string | boolean | undefined): string | boolean | undefined {
  if (settings.properties[name as Name]?.type !== 'boolean') return value
  const word = String(value).toLowerCase()
  if (['true', '1', 'yes'].includes(word)) return true
  return ['false', '0', 'no'].includes(word) ? false : word
}

function readEnv(path: string | undefined): Values {
  if (path === undefined) return {}
  try {
    return parseEnv(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new ConfigError(`Cannot read the env file ${path}: ${(error as Error).message}.`)
  }
}
