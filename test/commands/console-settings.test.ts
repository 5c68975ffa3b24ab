import { pino } from 'pino'
import t from 'tap'
import { Activity } from '../../src/activity/activity.ts'
import { openConsole } from '../../src/commands/console-settings.ts'
import { loadConfig } from '../../src/config.ts'
import { MemorySessions } from '../../src/store/memory-sessions.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'

const open = (admin: MemoryStore, whole?: Promise<void>, write: (line: string) => void = () => undefined) =>
  openConsole({
    ...loadConfig({}, undefined, { KSS_DIR: '/none', KSS_HOST: '127.0.0.1', KSS_PORT: '0' }),
    store: admin,
    admin,
    sessions: new MemorySessions(),
    extra: undefined,
    activity: new Activity(),
    logger: pino({ base: null }, { write }),
    whole,
  })

t.test('the console waits for the backup before a change of format', async (t) => {
  let finish = (): void => undefined
  const whole = new Promise<void>((resolve) => (finish = resolve))
  const opened = open(new MemoryStore(), whole)
  t.equal(opened?.settings.isReady?.(), false)
  finish()
  await whole
  t.equal(opened?.settings.isReady?.(), true)
  t.equal(open(new MemoryStore())?.settings.isReady?.(), true)
})

t.test('the console knows the port that the system chose', async (t) => {
  const store = new MemoryStore()
  await store.createUser({ username: 'ann', key: 'x' })
  await store.setAdmin((await store.getUser('ann'))!.account, true)
  const opened = open(store)
  await opened?.begin(12_345)
  t.same(opened?.settings.addresses?.(), ['http://127.0.0.1:12345'])
  t.equal(opened?.settings.setupCode?.(), undefined)
})

t.test('a search for operators that fails is logged, and there is no code', async (t) => {
  const lines: string[] = []
  const store = new MemoryStore()
  store.hasOperator = () => Promise.reject(new Error('EIO'))
  const opened = open(store, undefined, (line) => lines.push(line))
  await opened?.begin(8080)
  t.equal(opened?.settings.setupCode?.(), undefined)
  t.match(lines, [/whether there is an operator/])
})
