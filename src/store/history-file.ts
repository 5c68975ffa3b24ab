import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Progress } from '../protocol.ts'
import { appendLines, makeFolder, replaceFile } from './atomic-file.ts'
import { unlessAbsent } from './error-code.ts'
import { parseProgress } from './progress-file.ts'

/** @see STORAGE.md §1 */
function historyPath(recordPath: string): string {
  return join(dirname(recordPath), 'history', `${basename(recordPath, '.json')}.jsonl`)
}

/** Every push of the record at the path, oldest first, without what a crash tore. */
export async function readHistory(recordPath: string): Promise<Progress[]> {
  const path = historyPath(recordPath)
  return (await readText(path)).split('\n').flatMap((line) => parseLine(line, path) ?? [])
}

/** Adds the lines to the history of the record at the path, durably. */
export async function appendHistory(recordPath: string, lines: string[]): Promise<void> {
  await appendLines(historyPath(recordPath), joinLines(lines))
}

/**
 * Makes the lines the end of the history, durably, when some of them or parts of them may be there already: after a
 * crash, or after an append that failed.
 */
export async function mergeHistory(recordPath: string, lines: string[]): Promise<void> {
  const path = historyPath(recordPath)
  const text = await readText(path)
  const before = text.split('\n')
  const ours = new Map<string, number>()
  for (const line of lines) ours.set(line, (ours.get(line) ?? 0) + 1)
  for (let line = before.at(-1); line !== undefined; line = before.at(-1)) {
    const times = ours.get(line) ?? 0
    if (times > 0) ours.set(line, times - 1)
    else if (parseLine(line, path)) break
    before.pop()
  }
  // Anew even if it has them all: what a failed flush left in the memory of the system may never come to the disk.
  await makeFolder(dirname(path))
  await replaceFile(path, joinLines([...before, ...lines]))
}

function joinLines(lines: string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

async function readText(path: string): Promise<string> {
  return (await unlessAbsent(readFile(path, 'utf8'))) ?? ''
}

function parseLine(line: string, path: string): Progress | undefined {
  try {
    return parseProgress(line, path, 0)
  } catch {
    return undefined
  }
}
