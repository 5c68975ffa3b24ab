import type { Account } from '../store/store.ts'
import { dataNames, type AccountData } from './bridge-storage.ts'
import type { Library, LibraryItem } from './library.ts'
import type { Settings } from './settings.ts'

/** The origin of a link. */
export type LinkKind = 'hand' | 'map' | 'digest'

export interface Link {
  item: string
  kind: LinkKind
}

/** The reason why no request is sent for an item. */
export type Obstacle = 'gone' | 'notAllowed' | 'notABook'

/** The user's links, and the state of items. */
interface Kept {
  /** Items by document; false: not linked. */
  hand?: Record<string, string | false> | undefined
  obstacles?: Record<string, { obstacle: Obstacle; since: number; isSure: boolean }>
}

/** Milliseconds after which a missing item is asked for once more. */
const againMs = 3_600_000

export interface LinksOptions {
  data: AccountData
  library: Library
  settings: () => Settings
  now: () => number
}

/** The item of a user's document: by the link set by hand, then the map in the settings, then the digest of the ebook. */
export class Links {
  readonly #options: LinksOptions

  constructor(options: LinksOptions) {
    this.#options = options
  }

  /** The item; undefined if the document is not linked: then no request is sent for it. */
  async find(account: Account, document: string): Promise<Link | undefined> {
    const { hand = {} } = await this.#read(account)
    const byHand = Object.hasOwn(hand, document) ? hand[document] : undefined
    const said = byHand ?? this.#options.settings().documents.get(document)
    if (said === false) return undefined
    // A missing item may have returned under another id.
    const isGone = said !== undefined && (await this.isGone(account, said))
    const item = said === undefined || isGone ? await this.#options.library.findByDigest(account, document) : undefined
    if (item) return { item: item.id, kind: 'digest' }
    return said === undefined ? undefined : { item: said, kind: byHand === undefined ? 'map' : 'hand' }
  }

  /** Whether the item was missing twice, an hour apart. */
  async isGone(account: Account, item: string): Promise<boolean> {
    const found = (await this.#read(account)).obstacles?.[item]
    return found?.obstacle === 'gone' && found.isSure
  }

  /** Links by hand; false unlinks; undefined restores the map and the digest. */
  async set(account: Account, document: string, item: string | false | undefined): Promise<void> {
    await this.#change(account, (kept) => {
      const { [document]: _before, ...others } = kept.hand ?? {}
      const hand = item === undefined ? others : { ...others, [document]: item }
      const { [String(item)]: _obstacle, ...obstacles } = kept.obstacles ?? {}
      return { hand, obstacles }
    })
  }

  /** The reason that blocks requests for the item now; undefined if there is none. */
  async obstacleOf(account: Account, item: string): Promise<Obstacle | undefined> {
    const found = (await this.#read(account)).obstacles?.[item]
    if (!found) return undefined
    return found.isSure || this.#options.now() < found.since + againMs ? found.obstacle : undefined
  }

  /** Blocks requests for an item: a missing one is asked for once more after an hour, one without access every hour. */
  async obstruct(account: Account, item: string, obstacle: Obstacle): Promise<void> {
    await this.#change(account, ({ hand, obstacles = {} }) => {
      const isSure = obstacle === 'notABook' || (obstacle === 'gone' && obstacles[item]?.obstacle === 'gone')
      return { hand, obstacles: { ...obstacles, [item]: { obstacle, since: this.#options.now(), isSure } } }
    })
  }

  /** Removes the blocks of these items. */
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

/** Items with this title and author, or with an ebook of this name: suggestions, never links. */
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
