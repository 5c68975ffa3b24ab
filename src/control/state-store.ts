import type { Call, ControlChannel } from './control-channel.ts'
import type { Admin, Store } from '../store/store.ts'
import { readVersion } from '../version.ts'

type StoreMethod = Exclude<keyof Store, 'close' | 'upgradeKey' | 'addProgress'>

const storeMethods = {
  getUser: true,
  createUser: true,
  setKey: true,
  deleteUser: true,
  getProgress: true,
  putProgress: true,
  listHistory: true,
  getRegistration: true,
} satisfies Record<StoreMethod, true>

const adminMethods = {
  listUsers: true,
  listAccounts: true,
  getSummary: true,
  listDocuments: true,
  exportAccount: true,
  importAccount: true,
  renameUser: true,
  setDisabled: true,
  setAdmin: true,
  hasOperator: true,
  setQuota: true,
  setRegistration: true,
  setInvited: true,
  setRemoved: true,
  deleteProgress: true,
  putTitle: true,
  mergeDocuments: true,
  pruneHistory: true,
  flush: true,
  repair: true,
} satisfies Record<keyof Admin, true>

/** Asynchronous, also where the store has the value at hand. */
type Remote<T, Name extends keyof T> = {
  [Method in Name]: T[Method] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never
}

/** What commands do with a store, here or in the server that has it. */
export type StateStore = Remote<Store, StoreMethod> & Remote<Admin, keyof Admin>

/**
 * How a method of Admin is called. Before Admin took accounts, calls had no such prefix: a kss of that time says that it
 * cannot do these, instead of taking an account for a name.
 */
export function adminCall(name: keyof Admin): string {
  return `admin.${name}`
}

/** Calls methods of the store by their names; throws when there is no such method. */
export function callStore(store: Store, admin: Admin): Call {
  const methods = new Map<string, (...args: never[]) => unknown>()
  for (const name of keysOf(storeMethods)) methods.set(name, store[name].bind(store))
  for (const name of keysOf(adminMethods)) methods.set(adminCall(name), admin[name].bind(admin))
  return async (name, args) => {
    const method = methods.get(name)
    if (!method) throw new Error(`This kss (version ${readVersion()}) cannot do ${name}. Stop it, and try again.`)
    // In JSON, an argument that is left out before another one is null.
    return await method(...(args.map((arg) => arg ?? undefined) as never[]))
  }
}

/** The store of the process at the other end. */
export function remoteStore(channel: ControlChannel): StateStore {
  return stateStore((name, args) => channel.call(name, args))
}

/** A store of this process. */
export function localStore(store: Store, admin: Admin): StateStore {
  return stateStore(callStore(store, admin))
}

function stateStore(call: Call): StateStore {
  const toMethod = (name: string, called: string) => [name, (...args: unknown[]) => call(called, args)]
  return Object.fromEntries([
    ...keysOf(storeMethods).map((name) => toMethod(name, name)),
    ...keysOf(adminMethods).map((name) => toMethod(name, adminCall(name))),
  ]) as StateStore
}

function keysOf<Name extends string>(methods: Record<Name, true>): Name[] {
  return Object.keys(methods) as Name[]
}
