import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { keysOfCluster } from '../../../src/store/redis-store/keys.ts'
import type { RedisStore } from '../../../src/store/redis-store/redis-store.ts'
import { slotOf } from '../../../src/store/redis-store/topology.ts'
import { freePort } from '../../free-port.ts'
import { noRedis, startCluster } from '../../redis.ts'
import { accountOf, usernamesOf } from '../by-name.ts'
import { hardNames, pushed, testAdmin, testStore } from '../contract.ts'
import { testSessions } from '../sessions-contract.ts'
import { openCluster, openOn } from './open.ts'

t.test('on a cluster of three masters', { skip: noRedis }, async (t) => {
  const cluster = await startCluster(t)
  const openEmpty = async (t: Test): Promise<RedisStore> => {
    await cluster.flush()
    return await openCluster(t, cluster, { settleMs: 0 })
  }

  testStore(t, openEmpty)
  testAdmin(t, async (each) => {
    const store = await openEmpty(each)
    return { store, admin: store.admin }
  })
  testSessions(t, async (each) => (await openEmpty(each)).sessions)

  t.test('the slot of a key is what the engine says', async (t) => {
    const keys = ['kss:users', 'user:{616e6e}:key', '{}x', 'a{b', 'a}{b}c', '{{a}}', ...hardNames]
    for (const key of keys) t.equal(slotOf(key), await cluster.masters[0]!.command(0, 'CLUSTER', 'KEYSLOT', key), key)
  })

  t.test('users are on all masters, each with all that is theirs', async (t) => {
    const store = await openEmpty(t)
    const names = Array.from({ length: 30 }, (_, at) => `user ${at}`)
    await Promise.all(names.map((username) => store.createUser({ username, key: 'K' })))
    for (const name of names) await store.putProgress(await accountOf(store, name), pushed)
    t.same((await usernamesOf(store)).toSorted(), names.toSorted())
    for (const { command } of cluster.masters) {
      const keys = (await command(0, 'KEYS', 'user:*')) as string[]
      t.ok(keys.length >= 2)
    }
    const ann = await accountOf(store, 'user 1')
    t.match(await store.getProgress(ann, 'abc'), pushed)
    t.equal((await store.admin.repair()).length, 0)
  })

  t.test('an empty cluster becomes its own, and what is not in the index is found on all nodes', async (t) => {
    const store = await openEmpty(t)
    t.match(await store.survey.look(), { isOwn: true, warnings: [/^A power cut costs all positions/] })
    for (const name of ['ann', 'bob', 'eve']) await store.createUser({ username: name, key: 'K' })
    await Promise.allSettled(cluster.masters.map(({ command }) => command(0, 'DEL', 'kss:users')))
    t.same(await usernamesOf(store), [])
    t.match(await store.admin.repair(), [{ problem: 'users or documents that are not in the index: 3' }])
    t.same(await usernamesOf(store), ['ann', 'bob', 'eve'])
  })

  t.test('a slot that has moved is followed', async (t) => {
    const store = await openEmpty(t)
    await store.createUser({ username: 'bob', key: 'K' })
    const slot = slotOf('user:{616e6e}:key')
    t.equal(await store.getUser('ann'), undefined)
    const from = cluster.masters.findIndex((_one, at) => slot < [5461, 10_923, 16_384][at]!)
    const to = cluster.masters[(from + 1) % 3]!
    const id = String(await to.command(0, 'CLUSTER', 'MYID'))
    for (const { command } of [to, cluster.masters[from]!]) {
      await command(0, 'CLUSTER', 'SETSLOT', `${slot}`, 'NODE', id)
    }
    t.equal(await store.createUser({ username: 'ann', key: 'K' }), true)
    t.equal(await to.command(0, 'GET', 'user:{616e6e}:key'), 'K')
    t.match(await store.getUser('ann'), { key: 'K' })
  })

  t.test('one of its nodes alone is no store', async (t) => {
    const told = cluster.masters.map(async (master) => {
      const store = await openOn(t, master, 0)
      await t.rejects(store.getUser('ann') as Promise<unknown>, {
        message: /is a node of a cluster: name some of them/,
      })
      return await store.survey.look().then(
        () => 'none',
        ({ message }: Error) => message,
      )
    })
    t.ok((await Promise.all(told)).includes('This Redis is a node of a cluster: name some of them in KSS_STORE'))
  })
})

t.test('a cluster that is not there fails at once, and says so', async (t) => {
  const hosts = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
  const store = await openCluster(t, { hosts })
  const refused = { code: 'STORE_UNAVAILABLE', message: /^Redis at 127\.0\.0\.1:\d+, database 0, cannot be reached$/ }
  await t.rejects(store.getUser('ann') as Promise<unknown>, refused)
  await t.rejects(store.survey.look(), refused)
  t.match(store.stats.failure(), refused)
})

/** A node that has the first half of the slots, and says of every key that it has moved: to itself. */
async function startFakeNode(t: Test): Promise<string> {
  const server = createServer((socket) => {
    const { port } = server.address() as AddressInfo
    const slots = `*1\r\n*3\r\n:0\r\n:8000\r\n*2\r\n$9\r\n127.0.0.1\r\n:${port}\r\n`
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      for (const command of chunk.toString().split(/(?=\*\d+\r\n\$)/)) {
        if (command.includes('CLUSTER')) socket.write(slots)
        else socket.write(command.includes('PING') ? '+PONG\r\n' : `-MOVED 1 127.0.0.1:${port}\r\n`)
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('nodes that do not agree, and slots without a master, are told', async (t) => {
  const host = await startFakeNode(t)
  const store = await openCluster(t, { hosts: [host, host] })
  t.equal(store.stats.failure(), undefined)
  const messages: [boolean, string][] = [
    [true, 'The nodes of the Redis cluster do not agree'],
    [false, 'A part of the Redis cluster has no master'],
  ]
  for (const [isFirst, message] of messages) {
    const name = ['ann', 'bob', 'eve', 'dan', 'fay', 'gus'].find(
      (each) => slotOf(keysOfCluster(each).key) <= 8000 === isFirst,
    )!
    await t.rejects(store.getUser(name) as Promise<unknown>, { code: 'STORE_UNAVAILABLE', message })
  }
})
