import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Progress } from '../../../kosync/protocol.ts'
import { DamagedFile } from '../../../damaged-file.ts'
import { ifPresent } from '../../../error-code.ts'
import { historyPath, parseRow } from './history-file.ts'
import { parseProgress } from './progress-file.ts'
import { readTrustedSync } from '../../../trusted-file.ts'

// For commands: nobody else waits in their process, and through the thread pool it takes several times as long.

/** A record as its file holds it. */
export interface StoredRecord {
  path: string
  record: Progress
}

/**
 * The records of a user's folder. For one that cannot be read, which is told, the newest row of its history stands in,
 * as in the server; without a row it is left out.
 */
export function readRecords(folder: string, onDamage: (error: unknown) => void = () => undefined): StoredRecord[] {
  return [...eachRecord(folder, onDamage)]
}

/** The same, one at a time. */
export function* eachRecord(folder: string, onDamage: (error: unknown) => void): Generator<StoredRecord> {
  const names = (ifPresent(() => readdirSync(folder)) ?? []).filter((name) => /^[^.].*\.json$/.test(name))
  for (const name of names) {
    const stored = name === 'auth.json' ? undefined : readOne(join(folder, name), onDamage)
    if (stored) yield stored
  }
}

/** The rows of the record's history, oldest first; the record alone when it has none. */
export function readRows({ path, record }: StoredRecord): Progress[] {
  const rows = readHistoryOf(path)
  return rows.length > 0 ? rows : [record]
}

/** How many bytes the files of a folder hold. */
export function sizeOf(folder: string): number {
  const entries = ifPresent(() => readdirSync(folder, { withFileTypes: true, recursive: true })) ?? []
  const sizes = entries.map((entry) => {
    return entry.isFile() ? ifPresent(() => statSync(join(entry.parentPath, entry.name)).size) : 0
  })
  return sizes.reduce<number>((sum, size = 0) => sum + size, 0)
}

function readOne(path: string, onDamage: (error: unknown) => void): StoredRecord | undefined {
  try {
    return ifPresent(() => {
      const text = readTrustedSync(path).toString()
      return { path, record: parseProgress(text, path, Math.floor(statSync(path).mtimeMs / 1000)) }
    })
  } catch (error) {
    if (!(error instanceof DamagedFile)) throw error
    onDamage(error)
    const record = readHistoryOf(path).at(-1)
    return record && { path, record }
  }
}

function readHistoryOf(recordPath: string): Progress[] {
  const path = historyPath(recordPath)
  const text = ifPresent(() => readTrustedSync(path).toString()) ?? ''
  return text.split('\n').flatMap((line) => parseRow(line, path) ?? [])
}
