import type { Progress } from '../../src/kosync/protocol.ts'
import type { Account, Admin, MergedDocument, Quota, Store } from '../../src/store/store.ts'

/** The account that has the name now; one that is nobody's where nobody has it. */
export async function accountOf(store: Pick<Store, 'getUser'>, username: string): Promise<Account> {
  return (await store.getUser(username))?.account ?? { username, folder: username, id: '', generation: 0 }
}

type Methods =
  | 'getUser'
  | 'setKey'
  | 'upgradeKey'
  | 'deleteUser'
  | 'getProgress'
  | 'putProgress'
  | 'addProgress'
  | 'listHistory'
type Named = {
  [Name in Methods]: (
    ...args: Parameters<Store[Name]>
  ) => Promise<Awaited<ReturnType<Store[Name]>>> | Awaited<ReturnType<Store[Name]>>
}

/** A store by the names of users: each call is for the account that has the name then. */
export function byName(store: Named) {
  return {
    setKey: async (username: string, key: string): Promise<void> =>
      await store.setKey(await accountOf(store, username), key),
    upgradeKey: async (username: string, before: string, key: string): Promise<void> =>
      await store.upgradeKey(await accountOf(store, username), before, key),
    deleteUser: async (username: string): Promise<void> => await store.deleteUser(await accountOf(store, username)),
    getProgress: async (username: string, document: string): Promise<Progress | undefined> =>
      await store.getProgress(await accountOf(store, username), document),
    putProgress: async (username: string, pushed: Progress): Promise<Progress> =>
      await store.putProgress(await accountOf(store, username), pushed),
    addProgress: async (username: string, record: Progress): Promise<Progress> =>
      await store.addProgress(await accountOf(store, username), record),
    listHistory: async (username: string, document: string): Promise<Progress[]> =>
      await store.listHistory(await accountOf(store, username), document),
  }
}

interface Opened extends Pick<Store, 'getUser'> {
  admin: Admin
}

/** What operators do, by the names of users. */
export function adminByName(store: Opened) {
  const { admin } = store
  return {
    renameUser: async (username: string, to: string) => await admin.renameUser(await accountOf(store, username), to),
    setDisabled: async (username: string, disabled: boolean) =>
      await admin.setDisabled(await accountOf(store, username), disabled),
    setAdmin: async (username: string, isAdmin: boolean) =>
      await admin.setAdmin(await accountOf(store, username), isAdmin),
    setQuota: async (username: string, quota: Partial<Quota>) =>
      await admin.setQuota(await accountOf(store, username), quota),
    deleteProgress: async (username: string, document: string) =>
      await admin.deleteProgress(await accountOf(store, username), document),
    putTitle: async (username: string, document: string, title: string) =>
      await admin.putTitle(await accountOf(store, username), document, title),
    mergeDocuments: async (username: string, from: string, into: string) =>
      await admin.mergeDocuments(await accountOf(store, username), from, into),
    pruneHistory: async (username: string, keep: number, since: number, document?: string) =>
      await admin.pruneHistory(await accountOf(store, username), keep, since, document),
    importAccount: async (username: string, documents: MergedDocument[]) =>
      await admin.importAccount(await accountOf(store, username), documents),
  }
}

/** The names of all users, in no order. */
export async function usernamesOf({ admin }: { admin: Admin }): Promise<string[]> {
  return (await admin.listUsers(undefined, Infinity)).users.map(({ username }) => username)
}
