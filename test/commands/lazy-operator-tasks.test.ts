import { pino } from 'pino'
import t from 'tap'
import { Activity } from '../../src/activity/activity.ts'
import { lazyOperatorTasks } from '../../src/commands/lazy-operator-tasks.ts'
import { loadConfig } from '../../src/config.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'

t.test('they are made once, and stopped only if they were made', async (t) => {
  const loaded = loadConfig({ KSS_DIR: t.testdir({}) }, undefined, {})
  const logger = pino({ level: 'silent' })
  const store = new MemoryStore()
  const tasks = lazyOperatorTasks({ ...loaded, store, admin: store, activity: new Activity(), logger })
  await tasks.stop()
  const opened = await tasks.open()
  t.equal(await tasks.open(), opened)
  await tasks.stop()
  t.notOk(opened.check.start(), 'nothing begins after a stop')
})
