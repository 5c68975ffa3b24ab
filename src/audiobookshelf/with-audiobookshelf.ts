import type { Account, Admin, Store } from '../store/store.ts'
import { Bridge, type BridgeOptions, type Stores } from './bridge.ts'

export interface Bridged extends Stores {
  /** The store for operators: their reads show what is stored. */
  operators: Store
  bridge: Bridge
}

/** A store with the bridge: pushes are sent to Audiobookshelf, and pulls return listeners' places. */
export async function withAudiobookshelf(options: BridgeOptions, { store, admin }: Stores): Promise<Bridged> {
  const bridge = await Bridge.open(options, { store, admin })
  const operators = wrap<Store>(store, {
    putProgress: async (account, pushed) => {
      const record = await store.putProgress(account, pushed)
      bridge.pushed(account, record)
      return record
    },
    addProgress: async (account, added) => {
      const record = await store.addProgress(account, added)
      bridge.pushed(account, record)
      return record
    },
    createUser: async (user) => {
      const isNew = await store.createUser(user)
      await bridge.accountChanged(undefined)
      return isNew
    },
    deleteUser: async (account) => {
      await store.deleteUser(account)
      await bridge.accountChanged(account)
    },
    close: async () => {
      await bridge.close()
      await store.close()
    },
  })
  const readers = wrap<Store>(operators, {
    getProgress: (account: Account, document: string) => bridge.getProgress(account, document),
  })
  return { store: readers, operators, admin: wrapAdmin(bridge, admin), bridge }
}

function wrapAdmin(bridge: Bridge, admin: Admin): Admin {
  return wrap<Admin>(admin, {
    renameUser: async (account, to) => {
      const isRenamed = await admin.renameUser(account, to)
      if (isRenamed) await bridge.accountChanged(account, to)
      return isRenamed
    },
  })
}

/** The object with some methods replaced. */
function wrap<T extends object>(inner: T, methods: Partial<T>): T {
  return new Proxy(inner, {
    get: (target, name) => {
      const own = methods[name as keyof T]
      if (own !== undefined) return own
      const value = target[name as keyof T]
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
