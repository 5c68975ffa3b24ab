import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { noRedis, startCluster } from '../../redis.ts'
import { until } from '../../until.ts'
import { accountOf } from '../by-name.ts'
import { pushed } from '../contract.ts'
import { openCluster } from './open.ts'

const users = Array.from({ length: 12 }, (_, at) => `user ${at}`)

t.test(
  'when a master of a cluster is killed under load, no acknowledged push is lost',
  { skip: noRedis },
  async (t) => {
    const cluster = await startCluster(
      t,
      true,
      '--cluster-node-timeout',
      '2000',
      '--cluster-replica-validity-factor',
      '0',
    )
    const store = await openCluster(t, cluster, { replicas: 1, timeoutMs: 1400, historyLimit: 0 })
    // One that replicas do not confirm may be stored all the same.
    const isThere = async (username: string): Promise<boolean> => {
      const isCreated = await store.createUser({ username, key: 'K' }).catch(() => false)
      return isCreated || (await store.getUser(username)) !== undefined
    }
    for (const username of users) await until(() => isThere(username).catch(() => false))
    const accounts = await Promise.all(users.map((name) => accountOf(store, name)))
    const known = new Set<string>()
    const acknowledged: string[] = []
    const errors = new Set<string>()
    const over = new AbortController()

    const work = accounts.map(async (account) => {
      const { username } = account
      for (let at = 0; !over.signal.aborted; at++) {
        // What is refused at once must not keep all else from happening.
        await setImmediate()
        try {
          await store.putProgress(account, { ...pushed, progress: `${at}` })
          acknowledged.push(`${username} ${at}`)
          known.add(username)
        } catch (error) {
          errors.add((error as { code?: string }).code ?? String(error))
        }
        try {
          const [user, record] = [await store.getUser(username), await store.getProgress(account, 'abc')]
          if (!user) errors.add('no account')
          if (!record && known.has(username)) errors.add('no record')
        } catch (error) {
          errors.add((error as { code?: string }).code ?? String(error))
        }
      }
    })
    const allPushAgain = async (): Promise<void> => {
      const from = acknowledged.length
      await until(
        () => new Set(acknowledged.slice(from).map((each) => each.replace(/ \d+$/, ''))).size === users.length,
      )
    }
    await allPushAgain()
    await cluster.masters[1]!.stop()
    await until(async () => /role:master/.test(String(await cluster.replicas[1]!.command(0, 'INFO', 'replication'))))
    // Until then nothing confirms what the new master stores.
    await cluster.masters[1]!.start()
    await allPushAgain()
    over.abort()
    await Promise.all(work)

    t.same([...errors], ['STORE_UNAVAILABLE'], 'neither 401 nor an empty position')
    const stored = await Promise.all(
      accounts.map(async (account) => {
        const rows = await store.listHistory(account, 'abc')
        return rows.map(({ progress }) => `${account.username} ${progress}`)
      }),
    )
    const all = new Set(stored.flat())
    t.same(
      acknowledged.filter((each) => !all.has(each)),
      [],
    )
    t.comment(`${acknowledged.length} acknowledged, ${all.size} stored`)
  },
)
