import type { Account } from '../store/store.ts'
import { isFailure, type Failure } from './failure.ts'
import type { Parts } from './parts.ts'
import type { Item } from './replies.ts'

/** Words of a search that are tried apart. */
const mostWords = 3

/** Items that are given. */
const mostFound = 12

/**
 * Searches all libraries of the user. Audiobookshelf finds a text in one field at a time: when title and author were typed
 * together, the words are tried apart.
 */
export async function findItems(parts: Parts, account: Account, text: string): Promise<Item[] | Failure> {
  const { access, client } = parts
  const key = await access.keyOf(account)
  if (!key) return []
  const libraries = await client().listLibraries(key)
  if (isFailure(libraries)) return libraries
  const found = new Map<string, Item>()
  const words = text.split(/\s+/).filter((word) => word.length > 2)
  for (const query of [text, ...words.slice(0, mostWords)]) {
    if (found.size > 0) break
    for (const { id } of libraries) {
      const items = await client().search(key, id, query)
      if (isFailure(items)) return items
      for (const item of items) if (item.isBook) found.set(item.id, item)
    }
  }
  return [...found.values()].slice(0, mostFound)
}
