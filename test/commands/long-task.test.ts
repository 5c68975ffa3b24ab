import t from 'tap'
import { OneAtATime } from '../../src/commands/long-task.ts'
import { until } from '../until.ts'

const reason = (error: unknown): string => (error as Error).message

t.test('one run at a time is under way', async (t) => {
  let end = (_result: string): void => undefined
  const task = new OneAtATime((show) => {
    show(3, 7)
    return new Promise<string>((resolve) => (end = resolve))
  }, reason)
  t.same(task.state(), { is: 'idle' })
  t.ok(task.start())
  t.match(task.state(), { is: 'running', done: 3, total: 7, started: Number })
  t.notOk(task.start())
  end('whole')
  await until(async () => task.state().is !== 'running')
  t.match(task.state(), { is: 'done', result: 'whole', ended: Number })
  t.ok(task.start(), 'the next one')
  end('again')
  await task.stop()
  t.match(task.state(), { is: 'done', result: 'again' })
})

t.test('a failure is said in words', async (t) => {
  const task = new OneAtATime(() => Promise.reject(new Error('no disk')), reason)
  t.ok(task.start())
  await until(async () => task.state().is !== 'running')
  t.match(task.state(), { is: 'failed', reason: 'no disk', started: Number, ended: Number })
})

t.test('a stop cuts the run off, and none begins after it', async (t) => {
  const task = new OneAtATime(
    (_show, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    (error) => (error as Error).name,
  )
  t.ok(task.start())
  await task.stop()
  t.match(task.state(), { is: 'failed', reason: 'AbortError' })
  t.notOk(task.start())
})
