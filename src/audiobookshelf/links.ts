import type { Account } from '../store/store.ts'
import { dataNames, type AccountData } from './bridge-storage.ts'
import type { Library, LibraryItem } from './library.ts'
import type { Settings } from './settings.ts'

/** How a document came to its item. */
export type LinkKind = 'hand' | 'map' | 'digest'

export interface Link {
  item: string
  kind: LinkKind
}

/** Why no request is made for an item. */
export type Obstacle = 'gone' | 'notAllowed' | 'notABook'

/** What the user decided, and what is known of items. */
interface Kept {
  /** Items by document; false: not linked. */
  hand?: Record<string, string | false> | undefined
  obstacles?: Record<string, { obstacle: Obstacle; since: number; isSure: boolean }>
}

/** Milliseconds after which an item that was not found is asked for once more. */
const againMs = 3_600_000

export interface LinksOptions {
  data: AccountData
  library: Library
  settings: () => Settings
  now: () => number
}

/** Which item a document of a user is: what was set by hand, the map of the settings, then the digest of the ebook. */
export class Links {
  readonly #options: LinksOptions

  constructor(options: LinksOptions) {
    this.#options = options
  }

  /** Undefined when it is not linked: then there is no request for it. */
  async find(account: Account, document: string): Promise<Link | undefined> {
    const { hand = {} } = await this.#read(account)
    const byHand = Object.hasOwn(hand, document) ? hand[document] : undefined
    const said = byHand ?? this.#options.settings().documents.get(document)
    if (said === false) return undefined
    // An item that is gone may have come back under another id.
    const isGone = said !== undefined && (await this.isGone(account, said))
    const item = said === undefined || isGone ? await this.#options.library.findByDigest(account, document) : undefined
    if (item) return { item: item.id, kind: 'digest' }
    return said === undefined ? undefined : { item: said, kind: byHand === undefined ? 'map' : 'hand' }
  }

  /** Whether Audiobookshelf said so twice, an hour apart. */
  async isGone(account: Account, item: string): Promise<boolean> {
    const found = (await this.#read(account)).obstacles?.[item]
    return found?.obstacle === 'gone' && found.isSure
  }

  /** Links by hand, or not at all with false; undefined leaves it to the map and the digest again. */
  async set(account: Account, document: string, item: string | false | undefined): Promise<void> {
    await this.#change(account, (kept) => {
      const { [document]: _before, ...others } = kept.hand ?? {}
      const hand = item === undefined ? others : { ...others, [document]: item }
      const { [String(item)]: _obstacle, ...obstacles } = kept.obstacles ?? {}
      return { hand, obstacles }
    })
  }

  /** What stands in the way of requests for the item now. */
  async obstacleOf(account: Account, item: string): Promise<Obstacle | undefined> {
    const found = (await this.#read(account)).obstacles?.[item]
    if (!found) return undefined
    return found.isSure || this.#options.now() < found.since + againMs ? found.obstacle : undefined
  }

  /** An item that is not found is asked for once more, an hour later; one that may not be seen, every hour. */
  async obstruct(account: Account, item: string, obstacle: Obstacle): Promise<void> {
    await this.#change(account, ({ hand, obstacles = {} }) => {
      const isSure = obstacle === 'notABook' || (obstacle === 'gone' && obstacles[item]?.obstacle === 'gone')
      return { hand, obstacles: { ...obstacles, [item]: { obstacle, since: this.#options.now(), isSure } } }
    })
  }

  /** Nothing stands in the way of these any more. */
  async clear(account: Account, items: Iterable<string>): Promise<void> {
    const cleared = new Set(items)
    await this.#change(account, (kept) => {
      const all = Object.entries(kept.obstacles ?? {})
      const left = all.filter(([item]) => !cleared.has(item))
      return left.length < all.length ? { hand: kept.hand, obstacles: Object.fromEntries(left) } : undefined
    })
  }

  /** Documents that were linked by hand. */
  async listByHand(account: Account): Promise<[document: string, item: string | false][]> {
    return Object.entries((await this.#read(account)).hand ?? {})
  }

  async #read(account: Account): Promise<Kept> {
    return (await this.#options.data.get<Kept>(account, dataNames.links)) ?? {}
  }

  async #change(account: Account, change: (kept: Kept) => Kept | undefined): Promise<void> {
    await this.#options.data.change<Kept>(account, dataNames.links, (before) => change(before ?? {}))
  }
}

/** Items whose title and author are these, or whose ebook has this name: suggestions, never links. */
export function isLikely(item: LibraryItem, document: string, title: string, author: string): boolean {
  if (item.fileMd5 === document) return true
  return fold(title) !== '' && fold(item.title) === fold(title) && (author === '' || fold(item.author) === fold(author))
}

/** Lower-case letters and digits, without accents. */
export function fold(text: string): string {
  return text
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, '')
}
