import { open, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { DamagedFile } from '../../../damaged-file.ts'
import { unlessAbsent } from '../../../error-code.ts'
import { keepCopy } from '../files/keep-copy.ts'
import { checkFolder, readTrusted } from '../../../trusted-file.ts'

/** A line of the journal: a checksum, so that a line that a crash tore is recognized, and the JSON of an entry. */
export function journalLine(json: string): string {
  return `${checksum(json)} ${json}\n`
}

export interface JournalContent<T> {
  /** Oldest first. */
  entries: T[]
  /** The number of the newest file; 0 when there is none. */
  newest: number
}

/**
 * The entries of the journal. `onDamage` is told of each file with a line that a crash tore: nobody was told that it is
 * kept. A file with a line that is whole and no entry is copied to `<name>.corrupt-<time>`, and told too.
 */
export async function readJournal<T>(
  dir: string,
  isEntry: (value: unknown) => value is T,
  onDamage: (error: Error) => void,
): Promise<JournalContent<T>> {
  const names = await listNames(dir)
  const entries: T[] = []
  for (const name of names) {
    const path = join(dir, name)
    const lines = (await readTrusted(path)).split('\n').filter((line) => line !== '')
    const whole = lines.filter(isWhole)
    const values = whole.map(parseLine)
    const good = values.filter(isEntry)
    // Not spread into one call: a busy minute has more lines than a call takes arguments.
    for (const entry of good) entries.push(entry)
    if (whole.length < lines.length) onDamage(new DamagedFile(path, 'has a line that a crash tore'))
    if (good.length < whole.length) await setLinesAside(path, whole.length - good.length, onDamage)
  }
  return { entries, newest: numberOf(names.at(-1) ?? '0') }
}

async function setLinesAside(path: string, count: number, onDamage: (error: Error) => void): Promise<void> {
  const what = count === 1 ? '1 line that is no entry' : `${count} lines that are no entries`
  try {
    await keepCopy(path)
    onDamage(new DamagedFile(path, `has ${what}: the file is kept as ${basename(path)}.corrupt-…`))
  } catch (error) {
    onDamage(new DamagedFile(path, `has ${what}, and cannot be copied: ${(error as Error).message}`))
  }
}

/**
 * Makes durable what a process that was killed had written and not flushed: files that are built on a line must not
 * outlive it, or a later replay would not know them for what they are.
 */
export async function syncJournal(dir: string): Promise<void> {
  for (const name of await listNames(dir)) {
    const file = await open(join(dir, name), 'r+')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  }
}

/** Whether the line is as it was written. */
export function isWhole(line: string): boolean {
  return line.startsWith(`${checksum(line.slice(9))} `)
}

/** What a whole line says; undefined when that is no JSON. */
export function parseLine(line: string): unknown {
  try {
    return JSON.parse(line.slice(9))
  } catch {
    return undefined
  }
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0')
}

/** The number of a journal file. */
export function numberOf(name: string): number {
  return Number.parseInt(name, 10)
}

/** The names of the journal's files, oldest first. */
export async function listNames(dir: string): Promise<string[]> {
  await checkFolder(dir)
  const names = ((await unlessAbsent(readdir(dir))) ?? []).filter((name) => /^\d+\.log$/.test(name))
  return names.toSorted((one, other) => numberOf(one) - numberOf(other))
}
