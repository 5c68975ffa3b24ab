import type { Call, ControlChannel } from './control-channel.ts'
import type { FileStore } from '../store/file-store/file-store.ts'
import type { Operations } from '../store/file-store/operations.ts'
import { readVersion } from '../version.ts'

const storeMethods = [
  'getUser',
  'createUser',
  'setKey',
  'deleteUser',
  'listUsers',
  'getProgress',
  'putProgress',
  'listHistory',
  'getRegistration',
  'flush',
] as const

const operations = [
  'renameUser',
  'setDisabled',
  'setQuota',
  'setRegistration',
  'setInvited',
  'allowReturn',
  'deleteProgress',
  'putTitle',
  'mergeDocuments',
  'pruneHistory',
  'mergeProgress',
  'repair',
] as const

type Remote<T, Name extends keyof T> = {
  [Method in Name]: T[Method] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never
}

/** What commands do with a state directory, here or in the server that has it. */
export type StateStore = Remote<FileStore, (typeof storeMethods)[number]> &
  Remote<Operations, (typeof operations)[number]>

/** Does with the store what is called by name; throws when there is no such method. */
export function callStore(store: FileStore): Call {
  const methods = new Map<string, (...args: unknown[]) => unknown>()
  for (const name of storeMethods) methods.set(name, store[name].bind(store) as () => unknown)
  for (const name of operations) methods.set(name, store.operations[name].bind(store.operations) as () => unknown)
  return async (name, args) => {
    const method = methods.get(name)
    if (!method) throw new Error(`This kss (version ${readVersion()}) cannot do ${name}. Stop it, and try again.`)
    return await method(...args)
  }
}

/** The store of the process at the other end. */
export function remoteStore(channel: ControlChannel): StateStore {
  return stateStore((name, args) => channel.call(name, args))
}

/** A store of this process. */
export function localStore(store: FileStore): StateStore {
  return stateStore(callStore(store))
}

function stateStore(call: Call): StateStore {
  const methods = [...storeMethods, ...operations].map((name) => [name, (...args: unknown[]) => call(name, args)])
  return Object.fromEntries(methods) as StateStore
}
