import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { closest } from 'fastest-levenshtein'
import type { FastifyBaseLogger } from 'fastify'
import type { BridgeEngine } from '../audiobookshelf/bridge-engine.ts'
import type { OpenStorage } from '../audiobookshelf/bridge-storage.ts'
import type { Bridge } from '../audiobookshelf/bridge.ts'
import type { Operator } from '../audiobookshelf/operate.ts'
import type { Settings, Values } from '../audiobookshelf/settings.ts'
import type { Bridged } from '../audiobookshelf/with-audiobookshelf.ts'
import type { ExtraPages } from '../console/options.ts'
import { ConfigError, type Config } from '../config.ts'
import type { EffectiveSetting } from './effective-settings.ts'
import type { Stores } from '../audiobookshelf/bridge.ts'

/** The settings of the Audiobookshelf bridge, and what a person should know of them. */
export interface BridgeSettings {
  /** Undefined when the bridge is off. */
  settings: Settings | undefined
  warnings: string[]
  /** The settings that were given. No value is a secret. */
  given: EffectiveSetting[]
}

/** Checks the settings of the bridge; loads none of its modules when there are none. Throws ConfigError. */
export async function readBridge(config: Config): Promise<BridgeSettings> {
  const hasNone = Object.keys(config.audiobookshelf).length === 0
  const isFolder = config.KSS_STORE === ''
  if (hasNone && !(isFolder && existsSync(join(config.KSS_DIR, '.audiobookshelf'))))
    return { settings: undefined, warnings: [], given: [] }
  const { readSettings, secrets, variables } = await import('../audiobookshelf/settings.ts')
  const { SettingsFile } = await import('../audiobookshelf/settings-file.ts')
  const warnings: string[] = []
  for (const name of Object.keys(config.audiobookshelf)) {
    if (Object.hasOwn(variables, name)) continue
    warnings.push(`${name} is not a setting of kss: ignored. Did you mean ${closest(name, Object.keys(variables))}?`)
  }
  const read = (values: Values): Settings | undefined => readSettings(values, (path) => readFileSync(path, 'utf8'))
  const list = (console: Values): EffectiveSetting[] =>
    Object.entries({ ...config.audiobookshelf, ...console })
      // An unknown name may be a misspelled one, and its value a secret.
      .filter(([name]) => Object.hasOwn(variables, name))
      .map(([name, value]) => ({
        name,
        value: (secrets as ReadonlySet<string>).has(name) ? '(secret)' : value,
        source: name in console ? 'console' : 'environment',
      }))
  try {
    const own = read(config.audiobookshelf)
    try {
      const console = isFolder ? new SettingsFile(config.KSS_DIR).get() : {}
      return { settings: read({ ...config.audiobookshelf, ...console }), warnings, given: list(console) }
    } catch (error) {
      // The server must start, so that an operator can correct the settings in the console.
      warnings.push(`The settings of the console are not used: ${(error as Error).message}`)
      return { settings: own, warnings, given: list({}) }
    }
  } catch (error) {
    throw new ConfigError((error as Error).message)
  }
}

export interface OpenedBridge extends Omit<Bridged, 'bridge'> {
  /** Undefined where the bridge is off. */
  pages: ExtraPages | undefined
  /** What `kss audiobookshelf` asks for; undefined where the bridge is off. */
  operate: (verb: string, ...args: string[]) => Promise<unknown>
  /** Positions that wait to be sent; undefined where the bridge is off. */
  countOutbox: (() => number) | undefined
}

/** Wraps the stores in the bridge; returns them unchanged when the bridge is off. */
export async function openBridge(
  config: Config,
  settings: Settings | undefined,
  stores: Stores,
  {
    logger,
    whole,
    engine,
  }: { logger: FastifyBaseLogger; whole: Promise<void> | undefined; engine?: BridgeEngine | undefined },
): Promise<OpenedBridge> {
  const without = {
    ...stores,
    operators: stores.store,
    operate: () => Promise.resolve(undefined),
    pages: undefined,
    countOutbox: undefined,
  }
  if (!settings) return without
  const { operate, Operator } = await import('../audiobookshelf/operate.ts')
  const { withAudiobookshelf } = await import('../audiobookshelf/with-audiobookshelf.ts')
  const { KSS_DIR: dir, KSS_DISABLE_REGISTRATION: disableRegistration } = config
  try {
    const openStorage = await storageOf(dir, engine)
    const options = { openStorage, settings, disableRegistration, logger, whole }
    const { bridge, ...bridged } = await withAudiobookshelf(options, stores)
    const operator = new Operator(bridge, stores.admin)
    const pages = pagesOf(config, bridge, operator, logger)
    const countOutbox = (): number => bridge.parts.outbox.entries.length
    return { ...bridged, pages, countOutbox, operate: (verb, ...args) => operate(operator, verb, args) }
  } catch (err) {
    // Readers can sync without the bridge.
    logger.error({ err }, 'the Audiobookshelf bridge is off: it cannot read its outbox')
    return without
  }
}

async function storageOf(dir: string, engine: BridgeEngine | undefined): Promise<OpenStorage> {
  if (engine) return (await import('../audiobookshelf/engine-storage.ts')).engineStorage(engine)
  return (await import('../audiobookshelf/file-storage.ts')).fileStorage(dir)
}

function pagesOf(config: Config, bridge: Bridge, operator: Operator, logger: FastifyBaseLogger): ExtraPages {
  const routes: ExtraPages['routes'] = async () => {
    const { createPages } = await import('../audiobookshelf/pages.ts')
    const { SettingsEditor } = await import('../audiobookshelf/settings-editor.ts')
    const { SettingsFile } = await import('../audiobookshelf/settings-file.ts')
    const editor = new SettingsEditor({
      environment: config.audiobookshelf,
      file: config.KSS_STORE === '' ? new SettingsFile(config.KSS_DIR) : undefined,
      readFile: (path) => readFileSync(path, 'utf8'),
      onChange: (settings, names) => {
        logger.info({ names }, 'settings of Audiobookshelf were changed')
        bridge.configure(settings)
      },
    })
    return createPages({ bridge, operator, editor })
  }
  return { link: ['/audiobookshelf', 'Audiobookshelf'], paths: ['/audiobookshelf', '/audiobookshelf/*'], routes }
}
