import { join } from 'node:path'
import { parseRow } from '../store/file-store/files/history-file.ts'
import { dropBadRows } from './repair-document.ts'
import { checkAccess, checkKind, checkStray, listEntries, readText, type Entry, type Scan } from './scan-entries.ts'

/** The histories of a folder; a stem is a file name without its extension. */
export interface Histories {
  /** How many good lines each document has in each file. */
  lines: Map<string, Map<string, number>>
  /** Whether nothing can be brought into the history. */
  isBlocked: (stem: string) => boolean
}

/** Finds histories that cannot be read, each alone. */
export async function checkHistories(scan: Scan, folder: string, history: Entry | undefined): Promise<Histories> {
  const lines: Histories['lines'] = new Map()
  const links = new Set<string>()
  const isLink = history?.stats.isSymbolicLink() ?? false
  const histories = { lines, isBlocked: (stem: string) => isLink || links.has(`${stem}.jsonl`) }
  if (!history || !checkKind(scan, history, 'folder')) return histories
  checkAccess(scan, history)
  for (const entry of await listEntries(scan, history.at)) {
    const { name } = entry
    if (!/^[^.].*\.jsonl$/.test(name)) checkStray(scan, entry)
    else if (checkKind(scan, entry, 'file')) {
      checkAccess(scan, entry)
      const stem = name.slice(0, -'.jsonl'.length)
      lines.set(stem, await checkHistory(scan, entry, join(scan.dir, folder, `${stem}.json`)))
    } else if (entry.stats.isSymbolicLink()) links.add(name)
  }
  return histories
}

/** Resolves to how many good lines each document has in it. */
async function checkHistory(scan: Scan, entry: Entry, recordPath: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  const text = (await readText(scan, entry)) ?? ''
  const lines = text.split('\n').filter((line) => line !== '')
  let bad = 0
  for (const line of lines) {
    const row = parseRow(line, entry.path)
    if (row) counts.set(row.document, (counts.get(row.document) ?? 0) + 1)
    else bad += 1
  }
  if (bad === 0) return counts
  const isTorn = bad === 1 && !text.endsWith('\n') && !parseRow(lines.at(-1)!, entry.path)
  scan.found.push({
    path: entry.at,
    problem: isTorn
      ? 'ends in a line that a crash tore'
      : `has ${bad} ${bad === 1 ? 'line' : 'lines'} that cannot be read`,
    repair: `is kept as a copy; its good lines stay: ${lines.length - bad}`,
    damage: !isTorn,
    mend: () => dropBadRows(recordPath),
  })
  return counts
}
