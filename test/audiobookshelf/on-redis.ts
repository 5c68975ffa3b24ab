import { engineStorage } from '../../src/audiobookshelf/engine-storage.ts'
import { RedisStore, type RedisStoreOptions } from '../../src/store/redis-store/redis-store.ts'
import type { OpenPlace } from './bridged.ts'

/** Where a bridge keeps all it has on an engine; the time limit is one that a busy machine keeps. */
export function onRedis(host: string, database: number, options: Partial<RedisStoreOptions> = {}): OpenPlace {
  const url = new URL(`redis://${host}/${database}`)
  return async () => {
    const store = await RedisStore.open({ url, timeoutMs: 60_000, ...options })
    return { store, admin: store.admin, openStorage: engineStorage(store.bridge) }
  }
}
