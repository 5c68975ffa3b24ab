import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { CommandError, exitCodes } from '../command-error.ts'
import { loadConfig, type Config, type Loaded, type Values } from '../config.ts'
import { plain } from '../plain.ts'
import { ControlChannel, RemoteError } from './control-channel.ts'
import { unlessAbsent } from '../error-code.ts'
import { openEngine, openStore, type OpenedEngine } from './open-store.ts'
import { FolderInUse, type Holder } from '../store/file-store/folder-in-use.ts'
import { lockFolder, type FolderLock } from '../store/file-store/folder-lock.ts'
import { shellWord } from '../command-line.ts'
import { commandRuns, endAtOnce, lockError, openStateFolder, stateFolderOf, whoAmI } from './state-folder.ts'
import { prepareFormat } from './state-format.ts'
import { localStore, remoteStore, type StateStore } from './state-store.ts'

/** Flags of every command that works on a state directory. */
export interface StateFlags {
  dir?: string
  envFile?: string
  json?: boolean
  /** Its full name, which commander does not set but we do: `kss backup create`. */
  command?: string
}

/** A state directory, or an engine, that a command works on. */
export interface State {
  /** Throws CommandError where there is no folder. */
  dir: string
  /** The path of the directory, or the address of the engine, as a line for a person. */
  place: string
  config: Config
  store: StateStore
  /** The server that holds the directory, and carries out the calls to `store`; undefined when there is none. */
  server: Holder | undefined
  /** Writes the operator's command to the log of that server. */
  log: (command: string) => Promise<unknown>
  /** Calls a method of that server that is not one of the store; undefined when there is no server, or it lacks the method. */
  ask: (method: string, ...args: unknown[]) => Promise<unknown>
}

/** Whether the state is a directory, and not an engine. */
export function isFolder({ config }: Pick<State, 'config'>): boolean {
  return config.KSS_STORE === ''
}

export interface StateOptions {
  /** Make the directory when it is not there. */
  create?: boolean
  /** Throws CommandError, before anything is made in the directory, when the command cannot work on it. */
  check?: (dir: string) => Promise<void>
  /** Called before the directory is opened, unless a server holds it. */
  beforeOpen?: (dir: string) => Promise<void>
}

/** Milliseconds that another command may take. */
const patience = 10_000

/** The settings that `kss serve` would have with the same flags and variables. Prints warnings to standard error. */
export function loadSettings(flags: StateFlags): Config {
  return load(flags).config
}

function load({ dir, envFile }: StateFlags): Loaded {
  const values: Values = dir === undefined ? {} : { KSS_DIR: dir }
  const loaded = loadConfig(values, envFile)
  for (const warning of loaded.warnings) console.error(plain(warning))
  return loaded
}

/** Opens the engine of KSS_STORE for a command that changes nothing there; undefined if KSS_STORE is not set. */
export async function openEngineOf(flags: StateFlags): Promise<OpenedEngine | undefined> {
  const { config } = loadConfig({}, flags.envFile)
  return config.KSS_STORE === '' ? undefined : await openEngine(load(flags), { reconnects: false })
}

/** Does the work on the state directory, beside a running server or without one. Throws CommandError. */
export async function withState<T>(
  flags: StateFlags,
  work: (state: State) => Promise<T>,
  { create = false, check = checkFolder, beforeOpen = async () => undefined }: StateOptions = {},
): Promise<T> {
  const loaded = load(flags)
  const { config } = loaded
  const { KSS_DIR: dir } = config
  if (config.KSS_STORE !== '') return await withEngine(loaded, work)
  if (!create) {
    await check(dir).catch((error: unknown) => {
      throw asCommandError(error)
    })
  }
  const { close, ...opened } = await openState(config, flags.command, beforeOpen)
  const place = `Data folder: ${plain(dir)}${opened.server ? '' : ' (no kss server is running on it)'}`
  try {
    return await work({ dir, place, config, ...opened }).catch((error: unknown) => {
      throw asCommandError(error)
    })
  } finally {
    await close()
  }
}

/** Does the work on the engine of KSS_STORE, beside the servers that use it. Throws CommandError. */
async function withEngine<T>(loaded: Loaded, work: (state: State) => Promise<T>): Promise<T> {
  const { store, admin, survey, hashesKeys, place, close } = await openEngine(loaded, { reconnects: false })
  const run = async (): Promise<T> => {
    await survey.look()
    const config = { ...loaded.config, KSS_HASH_KEYS: hashesKeys() }
    return await work({
      get dir() {
        return stateFolderOf(config)
      },
      place: `Data store: ${plain(place.replace(/,$/, ''))}`,
      config,
      store: localStore(store, admin),
      server: undefined,
      log: noAnswer,
      ask: noAnswer,
    })
  }
  try {
    return await run().catch((error: unknown) => {
      throw asCommandError(error)
    })
  } finally {
    await close()
  }
}

/**
 * Like withState, for a command that changes something. Its words are written to the log of the server, so they must hold
 * no secret. The folder is printed, so that an operator who forgot --dir sees which one it was.
 */
export async function changeState<T>(
  flags: StateFlags,
  words: string[],
  work: (state: State) => Promise<T>,
  options: StateOptions = {},
): Promise<T> {
  const workAndTell = async (state: State): Promise<T> => {
    const { place, log } = state
    await log(`kss ${words.map(shellWord).join(' ')}`)
    const result = await work(state)
    if (!flags.json) process.stdout.write(`${place}\n`)
    return result
  }
  return await withState(flags, workAndTell, options)
}

/** Throws CommandError when there is no such folder. */
export async function checkFolder(dir: string): Promise<void> {
  if (await unlessAbsent(stat(dir))) return
  throw new CommandError(`There is no folder ${dir}. Pass the state directory with --dir.`)
}

type OpenState = Pick<State, 'store' | 'server' | 'log' | 'ask'> & { close: () => Promise<void> }

async function openState(
  config: Config,
  command: string | undefined,
  beforeOpen: (dir: string) => Promise<void>,
): Promise<OpenState> {
  const { KSS_DIR: dir } = config
  const deadline = Date.now() + patience
  for (;;) {
    try {
      return await openHere(config, command, beforeOpen)
    } catch (error) {
      if (!(error instanceof FolderInUse)) throw error
      const { holder, socket } = error
      // One that is just ending takes the connection and says nothing.
      if (!holder && Date.now() > deadline)
        throw new CommandError(`The kss that has the folder ${dir} does not answer.`)
      if (holder && holder['command'] === undefined) {
        if (socket === undefined) throw outOfReach(dir, holder)
        const there = await openThere(holder, socket)
        if (there) return there
      }
      if (holder && Date.now() > deadline) throw commandRuns(dir, holder, 'try again')
    }
    await sleep(50)
  }
}

function outOfReach(dir: string, { pid, since }: Holder): CommandError {
  return new CommandError(
    `The folder ${dir} is in use by a kss (process ${pid}, since ${since}) that commands cannot reach, because the file ` +
      'system has no sockets. Stop that one, then try again.',
    exitCodes.inUse,
  )
}

async function openHere(
  config: Config,
  command: string | undefined,
  beforeOpen: (dir: string) => Promise<void>,
): Promise<OpenState> {
  const { KSS_DIR: dir, KSS_HISTORY: history, KSS_HISTORY_LIMIT: historyLimit } = config
  const { release } = await lock(dir, command)
  try {
    // Only here: with a running server a command needs no access to the folder of its own.
    await openStateFolder(dir)
    await prepareFormat(dir, tell)
    await beforeOpen(dir)
    const {
      store,
      admin,
      close: closeStore,
    } = await openStore({ dir, history, historyLimit, blocking: true, onDamage: tell })
    const close = async (): Promise<void> => {
      await closeStore()
      await release()
    }
    return { store: localStore(store, admin), server: undefined, log: noAnswer, ask: noAnswer, close }
  } catch (error) {
    await release()
    throw asCommandError(error)
  }
}

/** Locks the folder for this command. Throws FolderInUse, or CommandError. */
export async function lock(dir: string, command = 'another command'): Promise<FolderLock> {
  const holder = { ...whoAmI(), command }
  try {
    return await lockFolder(dir, holder, { onLost: endAtOnce })
  } catch (error) {
    if (error instanceof FolderInUse) throw error
    // The folder may be missing, or this user may not use it: openStateFolder throws an error that says so.
    await openStateFolder(dir)
    return await lockFolder(dir, holder, { onLost: endAtOnce }).catch((again: unknown) => {
      throw again instanceof FolderInUse ? again : lockError(dir, again)
    })
  }
}

/** Connects to the server. Undefined when it has ended since it answered: then the folder is free, or will be. */
async function openThere(server: Holder, socket: string): Promise<OpenState | undefined> {
  const channel = await ControlChannel.open(socket).catch(() => undefined)
  if (!channel) return undefined
  // A server of an earlier version refuses the call, and can do the rest.
  const ask: State['ask'] = (method, ...args) => channel.call(method, args).catch(() => undefined)
  const log = (command: string): Promise<unknown> => ask('logCommand', command)
  return { store: remoteStore(channel), server, log, ask, close: async () => channel.close() }
}

/** There is no server. */
async function noAnswer(): Promise<undefined> {
  return undefined
}

function tell(error: unknown): void {
  console.error(plain((error as Error).message))
}

/** What the file system, or the server, says is for a person; anything else is a bug. */
export function asCommandError(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (error instanceof CommandError || (code === undefined && !(error instanceof RemoteError))) return error
  if (code === 'DAMAGED_FILE') return new CommandError(`It failed: ${message}. See: kss check`, exitCodes.damaged)
  return new CommandError(`It failed: ${message}`)
}
