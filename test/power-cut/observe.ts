import { rmSync } from 'node:fs'
import type { Progress } from '../../src/kosync/protocol.ts'
import { FileStore } from '../../src/store/file-store/file-store.ts'
import { decodeSegment } from '../../src/store/file-store/wal/record.ts'
import { logOptions } from './log-options.ts'
import { readTree, writeTree } from './record.ts'
import type { Tree } from './recorded-disk.ts'
import { byName } from '../store/by-name.ts'

/** What a client is told of one account; of one that is gone, what it is told when that is made anew. */
export interface Account {
  /** Undefined when it is gone. */
  key: string | undefined
  /** By document. */
  records: Map<string, { current: Progress | undefined; history: Progress[] }>
}

export interface Observation {
  accounts: Map<string, Account>
  /** What should not be, whatever was acknowledged. */
  troubles: string[]
}

/** Starts the store on a state that a cut left, and asks it for everything. */
export async function observe(dir: string, state: Tree, documents: Map<string, Set<string>>): Promise<Observation> {
  const troubles = hiddenRecords(state)
  const accounts = new Map<string, Account>()
  const told = (error: unknown): unknown => isTornJournal(error) || troubles.push(String(error))
  writeTree(dir, withoutObstacles(state))
  let store: FileStore | undefined
  try {
    store = await FileStore.open({ dir, history: true, onDamage: told, ...logOptions })
    for (const [username, own] of documents) {
      const key = (await store.getUser(username))?.key
      if (key === undefined) await store.createUser({ username, key: 'anew' })
      const account: Account = { key, records: new Map() }
      for (const document of own) {
        const current = await byName(store).getProgress(username, document)
        account.records.set(document, { current, history: await byName(store).listHistory(username, document) })
      }
      accounts.set(username, account)
    }
    await store.close()
    const stopped = readTree(dir)
    const left = [...stopped.keys()].filter((path) => /^\.(wal.\d+\.log|journal)/.test(path))
    troubles.push(...halfFiles(stopped))
    if (left.length > 0) troubles.push(`after the stop there is ${left.join()}`)
  } catch (error) {
    troubles.push(String(error))
    await store?.close().catch(told)
  }
  rmSync(dir, { recursive: true })
  return { accounts, troubles }
}

/** An operator removes the files that stand where a folder should be. */
function withoutObstacles(state: Tree): Tree {
  return new Map([...state].filter(([path, data]) => data === null || !path.endsWith('/history')))
}

/** Files that are not whole after the start; what a temp or a line of a journal or history holds is nobody's. */
function halfFiles(state: Tree): string[] {
  return [...state].flatMap(([path, data]) => {
    if (!data || !/^[^.][^/]*\/[^./][^/]*\.json$/.test(path)) return []
    try {
      JSON.parse(data.toString())
      return []
    } catch {
      return [`${path} is not whole: ${data.length} bytes`]
    }
  })
}

/** A kss that does not know the log must not start while it holds records. */
function hiddenRecords(state: Tree): string[] {
  if (state.get('.format')?.toString().startsWith('{"format":2')) return []
  return [...state].flatMap(([path, data]) => {
    const number = Number(/^\.wal\/(\d+)\.log$/.exec(path)?.[1])
    const isHidden = data && number > 0 && decodeSegment(data, number).lines.length > 0
    return isHidden ? [`an older kss would start without ${path}`] : []
  })
}

function isTornJournal(error: unknown): boolean {
  return error instanceof Error && /[/]\.journal[/]\d+\.log: has a line that a crash tore$/.test(error.message)
}
