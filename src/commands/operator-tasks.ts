import { statfs } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import type { Activity } from '../activity/activity.ts'
import { backupFolder, backupName, listBackups } from '../backup/backup-files.ts'
import {
  backupFiles,
  countFiles,
  lacksPositions,
  streamArchive,
  writeArchive,
  type ArchivedFile,
  type Contents,
} from '../backup/backup.ts'
import { scanSettled } from '../check/scan-settled.ts'
import { CommandError } from '../command-error.ts'
import { shellWord } from '../command-line.ts'
import type { Loaded } from '../config.ts'
import type { Backup, BackupMade, CheckResult, OpenedBackup, OperatorTasks, Stats } from '../console/operator-tasks.ts'
import { makeBackupFolder } from '../control/state-format.ts'
import { stateFolderOf } from '../control/state-folder.ts'
import type { OpenedStore } from '../control/open-store.ts'
import { hasCode } from '../error-code.ts'
import { archiveOf } from '../export/archive.ts'
import { csvOf, withByteOrderMark, type DocumentOf } from '../export/csv.ts'
import type { Finding } from '../store/finding.ts'
import { eachPage } from '../store/pages.ts'
import { current } from '../store/account.ts'
import type { Account, Admin, ExportedDocument, Store } from '../store/store.ts'
import { openTrusted } from '../trusted-file.ts'
import { readVersion } from '../version.ts'
import { formatSetting, listSettings } from './effective-settings.ts'
import { OneAtATime } from './long-task.ts'
import { paced } from './paced.ts'

export interface OperatorTasksOptions extends Pick<Loaded, 'config' | 'sources'> {
  store: Pick<Store, 'getUser'>
  admin: Pick<Admin, 'exportAccount' | 'flush'>
  /** As OpenedStore has it. */
  check?: OpenedStore['check'] | undefined
  activity: Activity
  logger: FastifyBaseLogger
}

/** Findings that are kept for the page. */
const mostFindings = 1000

/** What the console may ask of this server. `stop` cuts off what is under way, and resolves when nothing works any more. */
export function createOperatorTasks(options: OperatorTasksOptions): OperatorTasks & { stop: () => Promise<void> } {
  const { config, activity, logger } = options
  const isFolder = config.KSS_STORE === ''
  const failed = (what: string) => (error: unknown) => {
    logger.error({ err: error }, `${what} failed`)
    return reasonOf(error)
  }
  const check = new OneAtATime<CheckResult>(
    async (show, signal) => runCheck(findAll(options, show, signal)),
    failed('check'),
  )
  const backup = new OneAtATime<BackupMade>(async (show, signal) => makeBackup(options, show, signal), failed('backup'))
  return {
    check,
    backup,
    listBackups: async () =>
      isFolder ? (await listBackups(backupFolder(config.KSS_DIR))).map(toBackup).toReversed() : [],
    openBackup: async (name) => (isFolder ? await openBackup(config.KSS_DIR, name) : undefined),
    export: (account, format) => exportAccount(options, account, format),
    settings: () => listSettings(options).map((each) => ({ ...each, value: formatSetting(each.value) })),
    stats: () => readStats(isFolder ? config.KSS_DIR : '/', activity),
    record: (operator, words) => {
      const command = words.map(shellWord).join(' ')
      logger.info(`console: ${shellWord(operator)}: ${command}`)
      activity.add('change', operator, command)
    },
    stop: async () => void (await Promise.all([check.stop(), backup.stop()])),
  }
}

type Show = (done: number, total: number) => void

async function* findAll(
  { config, check }: OperatorTasksOptions,
  show: Show,
  signal: AbortSignal,
): AsyncGenerator<Finding[]> {
  if (check) for await (const finding of check({ show, signal })) yield [finding]
  else for await (const { findings } of scanSettled(config.KSS_DIR, { running: true, show, signal })) yield findings
}

async function runCheck(found: AsyncIterable<Finding[]>): Promise<CheckResult> {
  const result: CheckResult = { findings: [], total: 0, damaged: 0 }
  for await (const findings of found) {
    result.findings.push(...findings.slice(0, mostFindings - result.findings.length))
    result.total += findings.length
    result.damaged += findings.filter(({ damage }) => damage).length
  }
  return result
}

async function makeBackup(
  { config, admin }: OperatorTasksOptions,
  show: Show,
  signal: AbortSignal,
): Promise<BackupMade> {
  const dir = stateFolderOf(config)
  // One file that cannot be written must not prevent a backup of all others.
  const isComplete = await admin.flush()
  const name = backupName()
  const contents: Contents = { users: 0, documents: 0, bytes: 0 }
  const files = countFiles(paced(backupFiles(dir, show)), contents)
  await writeArchive(files, join(await makeBackupFolder(dir), name), signal)
  return { name, users: contents.users, documents: contents.documents, ...(!isComplete && { lacks: lacksPositions }) }
}

function toBackup({ path, bytes, created }: { path: string; bytes: number; created: number }): Backup {
  return { name: basename(path), bytes, created }
}

/** Looks the name up in the list, so that no user input becomes a path. */
async function openBackup(dir: string, name: string): Promise<OpenedBackup | undefined> {
  const listed = (await listBackups(backupFolder(dir))).find(({ path }) => basename(path) === name)
  if (!listed) return undefined
  const file = await openTrusted(listed.path)
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw new CommandError(`${name} is not a file.`)
    // Reads no more than the Content-Length that was sent before.
    return { stream: file.createReadStream({ end: Math.max(stats.size - 1, 0) }), bytes: stats.size }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function exportAccount(
  options: OperatorTasksOptions,
  account: Account,
  format: 'kss' | 'csv',
): Promise<Readable> {
  const { admin, logger } = options
  if (!(await admin.flush()))
    throw new CommandError('Some positions are not in their files yet. Try again; see the log.')
  if (format === 'csv') return Readable.from(withByteOrderMark(csvOf(rowsOf(options, account))))
  const files = await filesOf(options, account)
  const out = new PassThrough()
  // A failure destroys the stream, so that the download is cut off and not taken for whole.
  streamArchive(paced(files), out).catch((err: unknown) => {
    logger.warn({ err }, 'export cut off')
  })
  return out
}

async function filesOf(options: OperatorTasksOptions, account: Account): Promise<AsyncIterable<ArchivedFile>> {
  const { config, store } = options
  if (config.KSS_STORE === '') return backupFiles(config.KSS_DIR, undefined, [account.folder])
  const user = current(await store.getUser(account.username), account)
  return archiveOf([user], () => documentsOf(options, account))
}

async function* rowsOf(options: OperatorTasksOptions, account: Account): AsyncGenerator<DocumentOf> {
  for await (const document of documentsOf(options, account)) yield { username: account.username, ...document }
}

async function* documentsOf(
  { admin, logger }: OperatorTasksOptions,
  account: Account,
): AsyncGenerator<ExportedDocument> {
  for await (const { documents, problems } of eachPage((cursor) => admin.exportAccount(account, cursor))) {
    for (const problem of problems) logger.error({ err: new Error(problem) }, 'damaged file')
    yield* documents
  }
}

async function readStats(dir: string, activity: Activity): Promise<Stats> {
  const { bavail, blocks, bsize } = await statfs(dir)
  return {
    version: readVersion(),
    started: Math.floor(performance.timeOrigin / 1000),
    disk: { free: bavail * bsize, size: blocks * bsize },
    minutes: activity.listMinutes(),
    activity: activity.list(),
  }
}

/** A sentence for a person. */
function reasonOf(error: unknown): string {
  const { name, message } = error as Error
  if (name === 'AbortError') return 'The server was stopped meanwhile.'
  if (hasCode(error, 'ENOSPC', 'EDQUOT')) return 'The disk is full. Make room on it, then try again.'
  return message
}
