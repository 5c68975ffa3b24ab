import type { Stats } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { nextProgress, type Progress } from '../protocol.ts'
import { appendLines, renameFile, replaceFile, syncFolder } from './atomic-file.ts'
import { Batcher } from './batcher.ts'
import { hasCode, unlessAbsent } from './error-code.ts'
import { FileCache } from './file-cache.ts'
import { toFileName } from './file-name.ts'
import { parseHistory, parseProgress } from './progress-file.ts'
import { listsRawName } from './raw-names.ts'
import type { Now } from './store.ts'

export interface ProgressFilesOptions {
  /** Whether every push is also added to history/<document>.jsonl. */
  history: boolean
  /** Told of each file that does not parse and was set aside. */
  onDamage: (error: unknown) => void
}

/** <user>/<document>.json and <user>/history/<document>.jsonl. @see STORAGE.md §1 */
export class ProgressFiles {
  readonly #options: ProgressFilesOptions
  readonly #files: FileCache<Progress>
  readonly #writes: Batcher<Progress, Progress | undefined>

  constructor(options: ProgressFilesOptions) {
    this.#options = options
    this.#files = new FileCache((text, stats, path) => this.#read(text, stats, path))
    this.#writes = new Batcher((path, pushes) => this.#write(path, pushes))
  }

  get(folder: string, document: string): Now<Progress | undefined> {
    const path = safePath(folder, document)
    const known = this.#files.peek(path)
    return known?.document === document ? known : this.#find(path, document)
  }

  /** Resolves to the record as it is stored now; undefined when the folder is gone. */
  async put(folder: string, pushed: Progress): Promise<Progress | undefined> {
    const { document } = pushed
    const safe = safePath(folder, document)
    const record = await this.#files.get(safe)
    const path = record?.document === document ? safe : ((await this.#findRaw(folder, document)) ?? safe)
    return await this.#writes.add(path, pushed)
  }

  /** Every push, oldest first. */
  async listHistory(folder: string, document: string): Promise<Progress[]> {
    return await readHistory((await this.#findRaw(folder, document)) ?? safePath(folder, document))
  }

  /** Forgets a folder that is gone. */
  forget(folder: string): void {
    this.#files.forget(folder)
  }

  async close(): Promise<void> {
    await this.#writes.settled()
  }

  async #find(path: string, document: string): Promise<Progress | undefined> {
    const record = await this.#files.get(path)
    if (record?.document === document) return record
    const raw = await this.#findRaw(dirname(path), document)
    return raw === undefined ? undefined : await this.#files.get(raw)
  }

  /** The file that an older kss made under the document's own name, if it is there and the name inside is the same. */
  async #findRaw(folder: string, document: string): Promise<string | undefined> {
    const path = join(folder, `${document}.json`)
    // Never auth.json: a document of that name was one of Python kss's ways to lose an account.
    if (document === 'auth' || !(await listsRawName(folder, document, '.json'))) return undefined
    return (await this.#files.get(path))?.document === document ? path : undefined
  }

  async #write(path: string, pushes: Progress[]): Promise<(Progress | undefined)[]> {
    let record = await this.#files.get(path)
    if (record && record.document !== pushes[0]?.document) {
      // Another document's, put here by hand or by an older kss: not ours to overwrite.
      await setAside(path)
      record = undefined
    }
    const stored = pushes.map((pushed) => (record = nextProgress(record, pushed)))
    try {
      if (this.#options.history) await appendLines(historyPath(path), historyLines(pushes, stored))
      this.#files.set(path, record, await replaceFile(path, `${JSON.stringify(record)}\n`))
      return stored
    } catch (error) {
      // The user was deleted meanwhile.
      if (hasCode(error, 'ENOENT')) return pushes.map(() => undefined)
      throw error
    }
  }

  /** A record that does not parse is set aside, and the newest good history line takes its place. @see STORAGE.md §3 */
  async #read(text: string, stats: Stats, path: string): Promise<Progress | undefined> {
    try {
      return parseProgress(text, path, Math.floor(stats.mtimeMs / 1000))
    } catch (error) {
      this.#options.onDamage(error)
    }
    const newest = (await readHistory(path)).at(-1)
    try {
      await setAside(path)
      if (newest) await replaceFile(path, `${JSON.stringify(newest)}\n`)
    } catch (error) {
      this.#options.onDamage(error)
    }
    return newest
  }
}

function safePath(folder: string, document: string): string {
  return `${folder}${sep}${toFileName(document)}.json`
}

function historyPath(path: string): string {
  return join(dirname(path), 'history', `${basename(path, '.json')}.jsonl`)
}

/** A line holds what was pushed, at the time it was stored. */
function historyLines(pushes: Progress[], stored: Progress[]): string {
  return pushes.map((pushed, at) => `${JSON.stringify({ ...pushed, timestamp: stored[at]?.timestamp })}\n`).join('')
}

async function readHistory(path: string): Promise<Progress[]> {
  return parseHistory((await unlessAbsent(readFile(historyPath(path), 'utf8'))) ?? '', path)
}

async function setAside(path: string): Promise<void> {
  await renameFile(path, `${path}.corrupt-${Date.now()}`)
  await syncFolder(dirname(path))
}
