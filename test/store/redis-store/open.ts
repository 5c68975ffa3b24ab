import type { Test } from 'tap'
import { RedisStore, type RedisStoreOptions } from '../../../src/store/redis-store/redis-store.ts'
import type { Cluster, Redis } from '../../redis.ts'

let database = 1

/** A store on a database that no other one has; closed with the test. */
export async function openNew(t: Test, redis: Redis, options: Partial<RedisStoreOptions> = {}): Promise<RedisStore> {
  database += 1
  return await openOn(t, redis, database, options)
}

/** A store on a database. The time limit is one that a busy machine keeps. */
export async function openOn(
  t: Test,
  { host }: Redis,
  number: number,
  options: Partial<RedisStoreOptions> = {},
): Promise<RedisStore> {
  const store = await RedisStore.open({ url: new URL(`redis://${host}/${number}`), timeoutMs: 60_000, ...options })
  t.teardown(() => store.close())
  return store
}

/** A store on a cluster. */
export async function openCluster(
  t: Test,
  { hosts }: Pick<Cluster, 'hosts'>,
  options: Partial<RedisStoreOptions> = {},
): Promise<RedisStore> {
  const url = new URL(`redis://${hosts[0]}/0`)
  const store = await RedisStore.open({ url, cluster: hosts, timeoutMs: 60_000, ...options })
  t.teardown(() => store.close())
  return store
}
