import { pino } from 'pino'
import t from 'tap'
import { createDrain } from '../../src/commands/drain.ts'
import { loadConfig } from '../../src/config.ts'
import { until } from '../until.ts'
import { serve } from './kss.ts'

const logger = pino({ level: 'silent' })
const figures = (): never => {
  throw new Error('nobody asks')
}
const { config } = loadConfig({ KSS_DRAIN_SECONDS: '3600' }, undefined, {})

t.test('a store that cannot take a push, or holds pushes up, is not ready', async (t) => {
  let failure: unknown
  let goOn = (): void => undefined
  const isWhole = new Promise<void>((resolve) => (goOn = resolve))
  const { findUnready } = createDrain(config, { failure: () => failure, figures }, isWhole, logger)
  t.equal(findUnready(), 'storage')
  goOn()
  await isWhole
  t.equal(findUnready(), undefined)
  failure = new Error('ENOSPC')
  t.equal(findUnready(), 'storage')
})

t.test('Ctrl+C and a failure of a start do not wait, but the server is not ready', async (t) => {
  for (const signal of ['SIGINT', undefined]) {
    const { drain, findUnready } = createDrain(config, { failure: () => undefined, figures }, undefined, logger)
    await drain(signal)
    t.equal(findUnready(), 'stopping')
  }
})

t.test('SIGTERM first makes the server not ready, and it serves until the time is over', async (t) => {
  const { url, child, log } = await serve(t, t.testdir({}), [], { KSS_DRAIN_SECONDS: '2' })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  t.same(await (await fetch(`${url}/readiness`)).json(), { ready: true })
  child.kill('SIGTERM')
  await until(async () => (await fetch(`${url}/readiness`)).status === 503)
  t.same(await (await fetch(`${url}/readiness`)).json(), { ready: false, reason: 'stopping' })
  t.equal((await fetch(`${url}/healthcheck`)).status, 200)
  const body = JSON.stringify({ username: 'ann', password: 'secret-key' })
  t.equal((await fetch(`${url}/users/create`, { method: 'POST', body })).status, 201)
  t.equal(await ended, 0)
  const messages = log.map(({ msg }) => String(msg))
  t.ok(messages.findIndex((msg) => msg.startsWith('draining')) < messages.indexOf('stopping'))
})
