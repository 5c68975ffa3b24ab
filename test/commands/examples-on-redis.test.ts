import t from 'tap'
import { noRedis, startRedis } from '../redis.ts'
import { testExamplesOnRedis } from './example-lines.ts'

t.test('every example of every command says on a Redis what it says on a folder', { skip: noRedis }, async (t) => {
  await testExamplesOnRedis(t, await startRedis(t, '--databases', '200'))
})
