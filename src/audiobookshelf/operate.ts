import type { Account, Admin } from '../store/store.ts'
import type { Bridge } from './bridge.ts'
import { isFailure } from './failure.ts'
import { isLikely, type LinkKind, type Obstacle } from './links.ts'
import { isItemId, type UserKey } from './settings.ts'

/** Operators' commands for the bridge. Results are plain JSON, without secrets. */
export interface BridgeStatus {
  url: string
  /** The failure, and its start in seconds since 1970. */
  trouble?: { text: string; since: number }
  /** Waiting positions, oldest first. */
  waiting: { username: string; document: string; timestamp: number; tries: number }[]
}

/** The test of a user's connection: one line for each step. */
export interface ConnectionTest {
  username: string
  ok: boolean
  lines: string[]
}

/** A document and its item. */
export interface LinkState {
  document: string
  title: string
  item?: string
  kind?: LinkKind
  obstacle?: Obstacle
  /** Candidates for its item. */
  suggested: { item: string; title: string; author: string }[]
}

export class Operator {
  readonly #bridge: Bridge
  readonly #admin: Admin

  constructor(bridge: Bridge, admin: Admin) {
    this.#bridge = bridge
    this.#admin = admin
  }

  async status(): Promise<BridgeStatus> {
    const { client, outage, outbox } = this.#bridge.parts
    const waiting = (await outbox.list()).map(({ username, document, timestamp, tries }) => ({
      username,
      document,
      timestamp,
      tries,
    }))
    const { failure, complaint } = outage
    const trouble = failure ? { text: failure.failure.text, since: failure.since } : complaint
    return {
      url: client().baseUrl,
      ...(trouble && { trouble: { ...trouble, since: Math.floor(trouble.since / 1000) } }),
      waiting: waiting.toSorted((one, other) => one.timestamp - other.timestamp),
    }
  }

  /** Tests the connection of a user. */
  async test(username: string): Promise<ConnectionTest> {
    const account = await this.#accountOf(username)
    const key = await this.#keyOf(account)
    const { client } = this.#bridge.parts
    const version = await client().getVersion()
    const user = isFailure(version) ? version : await client().getUser(key)
    const libraries = isFailure(user) ? user : await client().listLibraries(key)
    const failure = [version, user, libraries].find((each) => isFailure(each))
    const lines = [`Address: ${client().baseUrl}`]
    if (!isFailure(version)) lines.push(`Version: ${version}${isOld(version) ? ' (2.30 or newer is needed)' : ''}`)
    if (!isFailure(user)) lines.push(`The key is that of ${user.username}${otherUser(key, user.id)}`)
    if (!isFailure(libraries)) lines.push(`Libraries: ${libraries.map(({ name }) => name).join(', ') || 'none'}`)
    if (failure) lines.push(`Audiobookshelf ${failure.text}`)
    else lines.push(clockLine(client().clockDifference))
    return { username, ok: failure === undefined, lines }
  }

  /** The documents of a user, with their links. */
  async links(username: string): Promise<LinkState[]> {
    const account = await this.#accountOf(username)
    const { links, library } = this.#bridge.parts
    const items = await library.list(account)
    const found: LinkState[] = []
    let cursor: string | undefined
    do {
      const page = await this.#admin.listDocuments(account, cursor)
      for (const { document, title, metadata } of page.documents) {
        const link = await links.find(account, document)
        const obstacle = link && (await links.obstacleOf(account, link.item))
        const name = title ?? metadata?.title ?? ''
        const likely = link ? [] : items.filter((item) => isLikely(item, document, name, metadata?.authors ?? ''))
        const suggested = likely.map((item) => ({ item: item.id, title: item.title, author: item.author }))
        found.push({ document, title: name, ...link, ...(obstacle && { obstacle }), suggested })
      }
      cursor = page.next
    } while (cursor !== undefined)
    return found
  }

  /** Links a document by hand, after the user's own key has seen the item. */
  async link(username: string, document: string, item: string): Promise<void> {
    const account = await this.#accountOf(username)
    if (!isItemId(item)) throw new Error(`${item} is no id of an item`)
    const seen = await this.#bridge.parts.client().getItem(await this.#keyOf(account), item)
    if (isFailure(seen)) throw new Error(`Audiobookshelf ${seen.text}`)
    if (!seen.isBook) throw new Error(`${item} is no book`)
    await this.#bridge.linker.link(account, document, item)
  }

  /** Unlinks the document: no more requests or overlays for it. */
  async unlink(username: string, document: string): Promise<void> {
    await this.#bridge.linker.link(await this.#accountOf(username), document, false)
  }

  /** Sends all waiting positions at once. */
  async retry(): Promise<BridgeStatus> {
    await this.#bridge.retry()
    return await this.status()
  }

  async #accountOf(username: string): Promise<Account> {
    const user = await this.#bridge.parts.store.getUser(username)
    if (!user) throw new Error(`There is no user ${username}`)
    return user.account
  }

  async #keyOf(account: Account): Promise<UserKey> {
    const key = await this.#bridge.parts.access.keyOf(account)
    if (!key) throw new Error(`${account.username} has no key of Audiobookshelf: see AUDIOBOOKSHELF_USER_MAP`)
    return key
  }
}

/** The first that the bridge works with is 2.30. */
function isOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < 2 || (major === 2 && minor < 30)
}

function otherUser({ userId }: UserKey, id: string): string {
  return userId === undefined || userId === id ? '' : `, and not of the user ${userId} as AUDIOBOOKSHELF_USER_ID says`
}

function clockLine(difference: number): string {
  const seconds = Math.round(difference / 1000)
  if (Math.abs(difference) <= 5000) return 'Its clock is right'
  return `Its clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead' : 'behind'}: set both by NTP`
}

/** Runs a method by its name. An error is returned as a value, since the control channel does not carry errors. */
export async function operate(
  operator: Operator,
  verb: string,
  args: string[],
): Promise<{ result?: unknown; error?: string }> {
  const [username = '', document = '', item = ''] = args
  try {
    if (verb === 'status') return { result: await operator.status() }
    if (verb === 'test') return { result: await operator.test(username) }
    if (verb === 'links') return { result: await operator.links(username) }
    if (verb === 'link') return { result: await operator.link(username, document, item) }
    if (verb === 'unlink') return { result: await operator.unlink(username, document) }
    return { result: await operator.retry() }
  } catch (error) {
    return { error: (error as Error).message }
  }
}
