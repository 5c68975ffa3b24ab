import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { interruptible } from '../../src/commands/interrupt.ts'

const message = (): string => 'Interrupted.'

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  t.test(`${signal} aborts the work, and its listeners go with it`, async (t) => {
    const before = process.listenerCount(signal)
    const work = interruptible(async (aborted) => {
      process.kill(process.pid, signal)
      await sleep(60_000, undefined, { signal: aborted })
    }, message)
    await t.rejects(work, { message: 'Interrupted.', exitCode: 1 })
    t.equal(process.listenerCount(signal), before)
  })
}

t.test('work that is not interrupted gives its result, or its own error', async (t) => {
  t.equal(await interruptible(async () => 'done', message), 'done')
  const failure = new Error('the disk is full')
  await t.rejects(
    interruptible(() => Promise.reject(failure), message),
    failure,
  )
})
