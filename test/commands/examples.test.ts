import t from 'tap'
import { noRedis, startRedis } from '../redis.ts'
import { testExamples, testExamplesOnRedis } from './example-lines.ts'

const skip = noRedis === false && 'the next test runs them'

t.test('every example of every command works without a server', { skip }, (t) => testExamples(t))

t.test('every example works, and says on a Redis what it says on a folder', { skip: noRedis }, async (t) => {
  await testExamplesOnRedis(t, await startRedis(t, '--databases', '200'))
})
