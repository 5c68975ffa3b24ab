import { readdir } from 'node:fs/promises'
import { LRUCache } from 'lru-cache'
import { fromFileName, hasRawFileName } from './file-name.ts'
import { eachUserFolder } from './folder-names.ts'

const folders = new LRUCache<string, Promise<Set<string>>>({ max: 1000, ttl: 900 })

/**
 * Whether the folder lists exactly this name, and an older kss may have made it so: asking for the file itself would
 * also find `alice` for `Alice` where the file system folds case. Looks at the disk once a second.
 */
export async function listsRawName(folder: string, name: string, extension = ''): Promise<boolean> {
  if (!hasRawFileName(name)) return false
  let names = folders.get(folder)
  if (!names) {
    names = readdir(folder).then((listed) => new Set(listed))
    folders.set(folder, names)
    names.catch(() => folders.delete(folder))
  }
  return (await names).has(name + extension)
}

/**
 * The folders of users that an older kss made under the name itself. No kss of today makes one, so the state directory is
 * listed once: at a million accounts that takes seconds.
 */
export class RawUserFolders {
  readonly #dir: string
  #names: Promise<Set<string>> | undefined

  constructor(dir: string) {
    this.#dir = dir
  }

  /** Whether there may be one of exactly this name. Rejects as the file system does. */
  async has(username: string): Promise<boolean> {
    if (!hasRawFileName(username)) return false
    // Such a folder may be another user's too: the name inside tells.
    if (isToday(username)) return true
    if (!this.#names) {
      const names = this.#list()
      this.#names = names
      names.catch(() => (this.#names = undefined))
    }
    return (await this.#names).has(username)
  }

  async #list(): Promise<Set<string>> {
    const names = new Set<string>()
    for await (const name of eachUserFolder(this.#dir)) if (!isToday(name)) names.add(name)
    return names
  }
}

/** Whether toFileName makes such names. */
function isToday(name: string): boolean {
  return fromFileName(name) !== undefined || /^~[0-9a-f]{64}$/.test(name)
}
