import { pino } from 'pino'
import type { Test } from 'tap'
import { Activity } from '../../src/activity/activity.ts'
import { RequestCounts } from '../../src/activity/request-counts.ts'
import { createOperatorTasks } from '../../src/commands/operator-tasks.ts'
import { loadConfig } from '../../src/config.ts'
import type { OperatorTasks } from '../../src/console/operator-tasks.ts'
import { keyOfPassword } from '../../src/kosync/credentials.ts'
import type { FileStore } from '../../src/store/file-store/file-store.ts'
import { openStore, stateFolder } from '../commands/state-fixture.ts'
import { openConsole, type TestConsole, type TestConsoleOptions, type Visitor } from './visitor.ts'

export interface OperatorConsole extends Omit<TestConsole, 'store' | 'reader'> {
  dir: string
  files: FileStore
  tasks: OperatorTasks
  activity: Activity
  /** Of the clock of the counts. */
  minutes: { passed: number }
  /** The messages of the log. */
  log: string[]
  /** A browser in which the operator `root` is signed in. */
  root: Visitor
}

/** A console on a data folder with alice and her Dune, the reader `bob`, and the operator `root`; all passwords but hers are `secret`. */
export async function openOperatorConsole(t: Test, options: TestConsoleOptions = {}): Promise<OperatorConsole> {
  const key = keyOfPassword('secret')
  const dir = await stateFolder(t, async (store) => {
    await store.createUser({ username: 'bob', key })
    await store.createUser({ username: 'root', key })
    await store.admin.setAdmin((await store.getUser('root'))!.account, true)
  })
  const files = await openStore(dir)
  t.teardown(() => files.close())
  const log: string[] = []
  const logger = pino({ base: null }, { write: (line) => void log.push((JSON.parse(line) as { msg: string }).msg) })
  const minutes = { passed: 0 }
  const activity = new Activity({ counts: new RequestCounts(() => minutes.passed * 60_000) })
  const loaded = loadConfig({ KSS_DIR: dir }, undefined, {})
  const tasks = createOperatorTasks({ ...loaded, store: files, admin: files.admin, activity, logger })
  t.teardown(() => tasks.stop())
  const opened = openConsole(t, {
    ...options,
    store: files,
    logger,
    settings: { admin: files.admin, tasks: async () => tasks },
  })
  const root = opened.visit()
  await root.signIn('root')
  return { ...opened, dir, files, tasks, activity, minutes, log, root }
}
