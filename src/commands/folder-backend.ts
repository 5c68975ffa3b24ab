import type { FastifyBaseLogger } from 'fastify'
import { CommandError } from '../command-error.ts'
import type { Config } from '../config.ts'
import { openStore } from '../control/open-store.ts'
import { removeTemps } from '../control/remove-temps.ts'
import { lockStateFolder, openStateFolder, warnOfWriters } from '../control/state-folder.ts'
import { planFormat } from '../control/state-format.ts'
import { countUserFolders } from '../store/file-store/files/folder-names.ts'
import { RegistrationFile } from '../store/file-store/files/registration-file.ts'
import { hasLog } from '../store/file-store/wal/recovery.ts'
import { mostCounted } from './announce.ts'
import { beginFormatChange } from './held-changes.ts'
import type { Backend, OpenedBackend } from './backend.ts'

/** Opens and locks the state directory. Throws CommandError. */
export async function openFolderBackend(config: Config): Promise<Backend> {
  const { KSS_DIR: dir } = config
  await openStateFolder(dir)
  const lock = await lockStateFolder(dir, config.KSS_DISABLE_REGISTRATION)
  return {
    warnings: () => warnOfWriters(dir),
    open: (logger, onDamage) => openFiles(config, logger, onDamage),
    answer: (call) => lock.answer(call),
    countUsers: () => countUserFolders(dir, mostCounted),
    place: { dir },
    tidy: (onDamage) => void removeTemps(dir, performance.timeOrigin).catch(onDamage),
    release: () => lock.release(),
  }
}

/** Throws when the log cannot be read: it may hold acknowledged pushes that the files lack. */
async function openFiles(
  config: Config,
  logger: FastifyBaseLogger,
  onDamage: (error: unknown) => void,
): Promise<OpenedBackend> {
  const { KSS_DIR: dir } = config
  try {
    const changeFormat = await planFormat(dir, onDamage)
    const isAwaited = changeFormat !== undefined && (await startChangesFiles(config))
    if (isAwaited) await changeFormat()
    const onSlowFlush = (path: string, ms: number): void =>
      logger.warn(`The disk of ${path} took ${(ms / 1000).toFixed(1)} seconds for a flush: every push waits for it`)
    const opened = await openStore({
      dir,
      history: config.KSS_HISTORY,
      historyLimit: config.KSS_HISTORY_LIMIT,
      quota: { documents: config.KSS_QUOTA_DOCUMENTS, bytes: config.KSS_QUOTA_BYTES },
      logMaxBytes: config.KSS_WAL_MAX,
      preallocate: true,
      onDamage,
      onSlowFlush,
    })
    const formatChange = changeFormat && !isAwaited ? beginFormatChange(changeFormat) : undefined
    return { opened, formatChange, hashesKeys: () => config.KSS_HASH_KEYS }
  } catch (error) {
    if (error instanceof CommandError) throw error
    const { message } = error as Error
    throw new CommandError(`Cannot read the log in ${dir}: ${message}. Mend that, then start kss again.`)
  }
}

/** Whether the start will write files: to replay the log after a crash, or to close registration. */
async function startChangesFiles(config: Config): Promise<boolean> {
  const { KSS_DIR: dir, KSS_DISABLE_REGISTRATION: disabled } = config
  if (await hasLog(dir)) return true
  if (!disabled) return false
  try {
    return (await new RegistrationFile(dir).get()).open === true
  } catch {
    return true // startRegistration tells of it
  }
}
