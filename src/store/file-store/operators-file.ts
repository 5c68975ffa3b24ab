import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseObject } from '../../damaged-file.ts'
import { makeFolder, replaceFile } from '../../durable.ts'
import { Mutex } from '../../mutex.ts'
import { readTrusted } from '../../trusted-file.ts'
import { authFile, parseUser } from './files/auth-file.ts'
import { consoleFolder, eachUserFolder, operatorsName } from './files/folder-names.ts'

/**
 * <dir>/.console/operators.json: the folders of the operators, so that a start need not read every auth.json to find that
 * there is no operator. A folder in the list counts only if its auth.json says so; when none counts, every auth.json is
 * read once more. While the list is empty, an operator that a hand edit or a backup brings is not noticed: a start then
 * prints a setup code that nobody needs.
 */
export class OperatorsFile {
  readonly #dir: string
  readonly #mutex = new Mutex()
  #changes = 0
  #search: Promise<boolean> | undefined
  #isStopping = false

  constructor(dir: string) {
    this.#dir = dir
  }

  /** Whether there is an operator. Rejects when the search was stopped. */
  async hasOne(): Promise<boolean> {
    this.#search ??= this.#findOne().finally(() => (this.#search = undefined))
    return await this.#search
  }

  async #findOne(): Promise<boolean> {
    const changes = this.#changes
    const known = await this.#read()
    if (known?.length === 0) return false
    for (const folder of known ?? []) if (await this.#isOperators(folder)) return true
    const { found, count } = await this.#findAll()
    await this.#mutex.run(async () => {
      // Without accounts nothing is written: a new directory stays as it is.
      if (changes === this.#changes && count > 0) await this.#write(found)
    })
    return found.length > 0
  }

  /** Called once auth.json holds the change. */
  set(folder: string, isAdmin: boolean): Promise<void> {
    this.#changes += 1
    return this.#mutex.run(async () => {
      if (isAdmin) await this.#write([...((await this.#read()) ?? []), folder])
      // The list may be incomplete: all accounts are searched only when it names no operator.
      else await rm(this.#path, { force: true })
    })
  }

  /** Ends the search through all accounts. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#search?.catch(() => undefined)
  }

  async #findAll(): Promise<{ found: string[]; count: number }> {
    const found: string[] = []
    let count = 0
    for await (const folder of eachUserFolder(this.#dir)) {
      if (this.#isStopping) throw new Error('The server stops.')
      count += 1
      if (await this.#isOperators(folder)) found.push(folder)
    }
    return { found, count }
  }

  /** False if auth.json cannot be read. */
  async #isOperators(folder: string): Promise<boolean> {
    const path = join(this.#dir, folder, authFile)
    try {
      return parseUser(await readTrusted(path), path).admin === true
    } catch {
      return false
    }
  }

  /** The folders in the list; undefined when there is no list, or it cannot be read. */
  async #read(): Promise<string[] | undefined> {
    const path = this.#path
    try {
      const { operators } = parseObject(await readTrusted(path), path)
      return Array.isArray(operators) ? operators.map(String) : undefined
    } catch {
      return undefined
    }
  }

  async #write(operators: string[]): Promise<void> {
    await makeFolder(join(this.#dir, consoleFolder))
    await replaceFile(this.#path, `${JSON.stringify({ operators })}\n`)
  }

  get #path(): string {
    return join(this.#dir, consoleFolder, operatorsName)
  }
}
