import type { Account } from '../store/store.ts'
import { BridgeFiles } from './bridge-files.ts'
import { dataNames } from './bridge-storage.ts'

/** An account in a state directory. */
export interface AccountIn {
  dir: string
  account: Account
}

type OnDamage = (error: unknown) => void

/** How many documents the user linked, or kept from being linked, by hand. */
export async function countLinks({ dir, account }: AccountIn, onDamage: OnDamage): Promise<number> {
  return Object.keys((await read(new BridgeFiles(dir, onDamage), account)).hand).length
}

/** Adds what the user linked by hand to what is there, which stays. No server may run on the other directory. */
export async function copyLinks(from: AccountIn, to: AccountIn, onDamage: OnDamage): Promise<void> {
  const { hand } = await read(new BridgeFiles(from.dir, onDamage), from.account)
  const files = new BridgeFiles(to.dir, onDamage)
  const there = await read(files, to.account)
  await files.put(to.account, dataNames.links, { ...there, hand: { ...hand, ...there.hand } })
}

async function read(files: BridgeFiles, account: Account): Promise<{ hand: object }> {
  return { hand: {}, ...(await files.get<object>(account, dataNames.links)) }
}
