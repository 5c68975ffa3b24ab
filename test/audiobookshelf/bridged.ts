import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Test } from 'tap'
import type { Bridge, BridgeOptions, Stores } from '../../src/audiobookshelf/bridge.ts'
import { fileStorage } from '../../src/audiobookshelf/file-storage.ts'
import type { Entry } from '../../src/audiobookshelf/outbox.ts'
import { readSettings, type Values } from '../../src/audiobookshelf/settings.ts'
import { withAudiobookshelf } from '../../src/audiobookshelf/with-audiobookshelf.ts'
import { offsets } from '../../src/document-id.ts'
import type { Progress } from '../../src/kosync/protocol.ts'
import { FileStore } from '../../src/store/file-store/file-store.ts'
import type { Account, Admin, Store } from '../../src/store/store.ts'
import { until } from '../until.ts'
import { makeEpub, paragraphs, type BookChapter } from './make-epub.ts'
import { AbsStub, type AbsItem } from './stub.ts'

/** Milliseconds that no test waits for: the machine may be busy. */
const ample = 60_000

/** KOReader's id of a file. */
export function digestOf(file: Buffer): string {
  const hash = createHash('md5')
  for (const from of offsets) if (from < file.length) hash.update(file.subarray(from, from + 1024))
  return hash.digest('hex')
}

export const bookChapters: BookChapter[] = [
  { title: 'Cover', text: ['A Book'] },
  { title: 'Chapter 1', text: paragraphs(6000) },
  { title: 'Chapter 2', text: paragraphs(6000) },
  { title: 'Chapter 3', text: paragraphs(6000) },
]

export const epub = makeEpub(bookChapters)
export const digest = digestOf(epub)

/** Three chapters of 20 minutes. */
export const book: AbsItem = {
  id: '55e1dc96-7b69-4533-9cb6-b4d23132ad96',
  title: 'A Book',
  author: 'Ada',
  duration: 3600,
  chapters: [1, 2, 3].map((n) => ({ id: n, start: (n - 1) * 1200, end: n * 1200, title: `Chapter ${n}` })),
  ebook: epub,
}

export type StartBridged = (t: Test, values?: Values, options?: Partial<BridgeOptions>) => Promise<Bridged>

/** Where it keeps all it has; opened again after a stop. */
export type OpenPlace = () => Promise<Stores & Pick<BridgeOptions, 'openStorage'>>

/** A kss with a bridge, and the Audiobookshelf that it talks to. */
export class Bridged {
  readonly stub: AbsStub
  readonly dir: string
  /** Milliseconds that the clock of the bridge is ahead of the true one. */
  ahead = 0
  store!: Store
  admin!: Admin
  bridge!: Bridge
  /** The store without the bridge. */
  engineStore!: Store & { admin: Admin }
  values: Values = {}
  options: Partial<BridgeOptions> = {}

  readonly #openPlace: OpenPlace

  private constructor(stub: AbsStub, dir: string, openPlace: OpenPlace = () => openFolder(dir)) {
    this.stub = stub
    this.dir = dir
    this.#openPlace = openPlace
  }

  /** With the user ann and a book that is linked by the settings, unless said otherwise. */
  static async start(
    t: Test,
    values: Values = {},
    options: Partial<BridgeOptions> = {},
    { base = '', openPlace, stub: shared }: { base?: string; openPlace?: OpenPlace; stub?: AbsStub } = {},
  ): Promise<Bridged> {
    const stub = shared ?? (await AbsStub.start(t, base))
    stub.addItem(book)
    const dir = await mkdtemp(join(tmpdir(), 'kss-test-'))
    const bridged = new Bridged(stub, dir, openPlace)
    bridged.values = {
      AUDIOBOOKSHELF_BASE_URL: stub.url,
      AUDIOBOOKSHELF_USER_MAP: '{"ann": "key-ann"}',
      AUDIOBOOKSHELF_DOCUMENT_MAP: JSON.stringify({ [digest]: book.id }),
      AUDIOBOOKSHELF_HTTP_TIMEOUT: '60000',
      ...values,
    }
    bridged.options = options
    await bridged.open()
    // It has looked at what an earlier process left: a push is not one of those.
    await bridged.bridge.idle()
    await bridged.addUser('ann')
    t.teardown(async () => {
      await bridged.store.close()
      await rm(dir, { recursive: true, force: true })
    })
    return bridged
  }

  async open(): Promise<void> {
    const { openStorage, ...stores } = await this.#openPlace()
    const { store, admin, bridge } = await withAudiobookshelf(
      {
        openStorage,
        settings: readSettings(this.values, () => '')!,
        disableRegistration: true,
        logger: pino({ level: 'silent' }),
        now: () => this.now,
        random: () => 0.5,
        spacingMs: 0,
        budgetMs: ample,
        ...this.options,
      },
      stores,
    )
    Object.assign(this, { store, admin, bridge, engineStore: stores.store })
  }

  /** As after a stop. */
  async reopen(): Promise<void> {
    await this.store.close()
    await this.open()
  }

  get now(): number {
    return Date.now() + this.ahead
  }

  /** Lets time pass for the bridge. */
  pass(seconds: number): void {
    this.ahead += seconds * 1000
    this.stub.ahead = this.ahead
    this.bridge.look()
  }

  async addUser(username: string): Promise<void> {
    await this.store.createUser({ username, key: 'k' })
  }

  async account(username = 'ann'): Promise<Account> {
    return (await this.store.getUser(username))!.account
  }

  /** A reader's push, now. */
  async push(percentage: number, progress: string, more: Partial<Progress> = {}, username = 'ann'): Promise<Progress> {
    const pushed = {
      document: digest,
      percentage,
      progress,
      device: 'kobo',
      timestamp: Math.floor(this.now / 1000),
      ...more,
    }
    return await this.store.putProgress(await this.account(username), pushed)
  }

  async pull(document = digest, username = 'ann'): Promise<Progress | undefined> {
    return await this.store.getProgress(await this.account(username), document)
  }

  /** Resolves when the outbox is empty, and nothing is under way. */
  async delivered(): Promise<void> {
    await until(async () => {
      await this.bridge.idle()
      return this.bridge.parts.outbox.entries.length === 0
    })
  }

  /** A listener is there since some seconds. */
  listen(currentTime: number, secondsAgo = 0, more: object = {}, username = 'ann'): void {
    this.stub.move(username, book.id, { currentTime, lastUpdate: this.now - secondsAgo * 1000, ...more })
  }

  async waiting(): Promise<Entry[]> {
    return await this.bridge.parts.outbox.list()
  }
}

async function openFolder(dir: string): ReturnType<OpenPlace> {
  const store = await FileStore.open({ dir, history: true, historyLimit: 1000, onDamage: () => undefined })
  return { store, admin: store.admin, openStorage: fileStorage(dir) }
}
