import { FileStore, type FileStoreOptions } from '../store/file-store/file-store.ts'
import type { Admin, Stats, Store } from '../store/store.ts'

export type StoreOptions = FileStoreOptions

/** A store of this process. */
export interface OpenedStore {
  store: Store
  admin: Admin
  stats: Stats
  /** Finishes what is under way. */
  close: () => Promise<void>
}

/** The one place that knows which store there is. */
export async function openStore(options: StoreOptions): Promise<OpenedStore> {
  const store = await FileStore.open(options)
  return { store, admin: store.admin, stats: store.stats, close: () => store.close() }
}
