import { setImmediate } from 'node:timers/promises'
import * as redis from '@redis/client'
import t from 'tap'
import { Masters } from '../../../src/store/redis-store/masters.ts'
import { noRedis, startCluster } from '../../redis.ts'
import { until } from '../../until.ts'

t.test('no connection is left of what is closed while it asks who the masters are', { skip: noRedis }, async (t) => {
  const { masters: nodes, hosts } = await startCluster(t)
  const url = new URL(`redis://${hosts[0]}/0`)
  let wasConnected = false
  for (let turns = 0; !wasConnected; turns++) {
    const options = { url, cluster: hosts, timeoutMs: 60_000, reconnects: true, replicas: 0 }
    const masters: Masters = new Masters(redis, { ...options, tell: () => masters.all() })
    let isConnected = false
    const connected = masters.connect().then(() => (isConnected = true))
    for (let turn = 0; turn < turns; turn++) await setImmediate()
    wasConnected = isConnected
    masters.close()
    await connected
    t.same(masters.all(), [])
    t.throws(() => masters.of('a'), { code: 'STORE_UNAVAILABLE', message: 'the store is closed' })
    await t.rejects(masters.move('a', hosts[0]!), { message: 'the store is closed' })
  }
  for (const { command } of nodes) {
    const others = async (): Promise<number> => String(await command(0, 'CLIENT', 'LIST')).split('\n').length - 2
    await until(async () => (await others()) === 0)
  }
})
