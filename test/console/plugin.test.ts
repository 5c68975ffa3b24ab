import fastify from 'fastify'
import t from 'tap'
import type { ConsoleOptions } from '../../src/console/options.ts'
import { createConsole } from '../../src/console/plugin.ts'

t.test('the console is loaded at its first request, once, and again after a failure', async (t) => {
  let loads = 0
  const { pass } = createConsole({} as ConsoleOptions, async () => {
    loads += 1
    if (loads === 1) throw new Error('EMFILE')
    return (_request, response) => response.end('page')
  })
  const app = fastify()
  t.teardown(() => app.close())
  app.addHook('onRequest', pass)
  await app.ready()
  t.equal(loads, 0)
  t.equal((await app.inject('/books')).statusCode, 500)
  const replies = await Promise.all([app.inject('/books'), app.inject('/assets/x'), app.inject('/setup')])
  for (const reply of replies) t.equal(reply.body, 'page')
  t.equal(loads, 2)
})
