import { readdir } from 'node:fs/promises'
import { LRUCache } from 'lru-cache'
import { hasRawFileName } from './file-name.ts'

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
