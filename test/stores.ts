import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { FileStore } from '../src/store/file-store/file-store.ts'
import { MemoryStore } from '../src/store/memory-store.ts'
import { RedisStore } from '../src/store/redis-store/redis-store.ts'
import type { Store } from '../src/store/store.ts'

/** More than any file of tests builds servers. */
const most = 100

/** What an empty store is made by: in memory, or as KSS_TEST_STORE says, `files` or `redis://host:port`. */
export const createStore: () => Store = await prepare(process.env['KSS_TEST_STORE'])

async function prepare(kind: string | undefined): Promise<() => Store> {
  if (kind === undefined) return () => new MemoryStore()
  const stores = await (kind === 'files' ? openFolders() : openDatabases(kind))
  t.teardown(() => Promise.all(stores.map((store) => store.close())))
  return () => {
    const store = stores.pop()
    if (!store) throw new Error(`A file of tests has ${most} servers at most`)
    t.teardown(() => store.close())
    return store
  }
}

async function openFolders(): Promise<Store[]> {
  const dir = await mkdtemp(join(tmpdir(), 'kss-stores-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const onDamage = (error: unknown): void => {
    t.fail(String(error))
  }
  const stores: Store[] = []
  while (stores.length < most) {
    stores.push(await FileStore.open({ dir: await mkdtemp(join(dir, 'store-')), history: true, onDamage }))
  }
  return stores
}

async function openDatabases(url: string): Promise<Store[]> {
  const urls = Array.from({ length: most }, (_, at) => new URL(`${url}/${at}`))
  return await Promise.all(urls.map((each) => RedisStore.open({ url: each, timeoutMs: 60_000 })))
}
