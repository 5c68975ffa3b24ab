import type { Readable } from 'node:stream'
import type { ActivityEntry } from '../activity/activity.ts'
import type { MinuteCount } from '../activity/request-counts.ts'
import type { Finding } from '../store/finding.ts'
import type { Account } from '../store/store.ts'

/** Operators' tasks outside the store, and the export of an account. Times are in seconds since 1970. */
export interface OperatorTasks {
  /** The scan of `kss check`, beside the running server. */
  check: LongTask<CheckResult>
  /** An archive as `kss backup create` makes it, in the folder of backups. */
  backup: LongTask<BackupMade>
  /** The newest first. */
  listBackups: () => Promise<Backup[]>
  /** A listed archive, by its name; undefined when there is none of that name. */
  openBackup: (name: string) => Promise<OpenedBackup | undefined>
  /** All data of the account, as `kss export` writes it. */
  export: (account: Account, format: 'kss' | 'csv') => Promise<Readable>
  settings: () => Setting[]
  stats: () => Promise<Stats>
  /** Records a change in the log and the activity: the operator, and the words of a command. No secrets. */
  record: (operator: string, words: string[]) => void
}

/** A task of minutes that runs once at a time. */
export interface LongTask<T> {
  /** Starts it. False if it is running already. */
  start: () => boolean
  state: () => RunState<T>
}

export type RunState<T> =
  | { is: 'idle' }
  | { is: 'running'; started: number; done: number; total: number }
  | { is: 'done'; started: number; ended: number; result: T }
  /** The reason is a sentence for a person. */
  | { is: 'failed'; started: number; ended: number; reason: string }

export interface CheckResult {
  /** The first findings. */
  findings: Finding[]
  /** The number of all findings, and of those that are damage. */
  total: number
  damaged: number
}

export interface BackupMade {
  name: string
  users: number
  documents: number
  /** A sentence about the positions that are missing in it; left out if it is complete. */
  lacks?: string
}

export interface Backup {
  name: string
  bytes: number
  created: number
}

export interface OpenedBackup {
  stream: Readable
  bytes: number
}

export interface Setting {
  name: string
  /** Never a secret. */
  value: string
  /** `default`, `environment`, `flag`, or `env file` with its path. */
  source: string
}

export interface Stats {
  version: string
  /** When the process started. */
  started: number
  /** Bytes of the disk of the data folder. */
  disk: { free: number; size: number }
  /** The last 60 minutes, the current one last. */
  minutes: MinuteCount[]
  /** The newest first. */
  activity: ActivityEntry[]
}
