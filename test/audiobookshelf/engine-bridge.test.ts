import t from 'tap'
import { noRedis, startRedis } from '../redis.ts'
import { testBridge } from './bridge-contract.ts'
import { Bridged } from './bridged.ts'
import { onRedis } from './on-redis.ts'

t.test('on a Redis', { skip: noRedis }, async (t) => {
  const { host } = await startRedis(t, '--databases', '200')
  let database = 0
  testBridge(t, async (t, values, options) => {
    database += 1
    return await Bridged.start(t, values, options, { openPlace: onRedis(host, database) })
  })
})
