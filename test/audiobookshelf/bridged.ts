import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Test } from 'tap'
import type { Bridge, BridgeOptions } from '../../src/audiobookshelf/bridge.ts'
import { fileStorage } from '../../src/audiobookshelf/file-storage.ts'
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

/** A kss with a bridge, and the Audiobookshelf that it talks to. */
export class Bridged {
  readonly stub: AbsStub
  readonly dir: string
  /** Milliseconds that the clock of the bridge is ahead of the true one. */
  ahead = 0
  store!: Store
  admin!: Admin
  bridge!: Bridge
  values: Values = {}
  options: Partial<BridgeOptions> = {}

  private constructor(stub: AbsStub, dir: string) {
    this.stub = stub
    this.dir = dir
  }

  /** With the user ann and a book that is linked by the settings, unless said otherwise. */
  static async start(t: Test, values: Values = {}, options: Partial<BridgeOptions> = {}, base = ''): Promise<Bridged> {
    const stub = await AbsStub.start(t, base)
    stub.addItem(book)
    const dir = await mkdtemp(join(tmpdir(), 'kss-test-'))
    const bridged = new Bridged(stub, dir)
    bridged.values = {
      AUDIOBOOKSHELF_BASE_URL: stub.url,
      AUDIOBOOKSHELF_USER_MAP: '{"ann": "key-ann"}',
      AUDIOBOOKSHELF_DOCUMENT_MAP: JSON.stringify({ [digest]: book.id }),
      AUDIOBOOKSHELF_HTTP_TIMEOUT: '60000',
      ...values,
    }
    bridged.options = options
    await bridged.open()
    await bridged.addUser('ann')
    t.teardown(async () => {
      await bridged.store.close()
      await rm(dir, { recursive: true, force: true })
    })
    return bridged
  }

  async open(): Promise<void> {
    const files = await FileStore.open({ dir: this.dir, history: true, historyLimit: 1000, onDamage: () => undefined })
    const { store, admin, bridge } = await withAudiobookshelf(
      {
        openStorage: fileStorage(this.dir),
        settings: readSettings(this.values, () => '')!,
        disableRegistration: true,
        logger: pino({ level: 'silent' }),
        now: () => this.now,
        random: () => 0.5,
        spacingMs: 0,
        budgetMs: ample,
        ...this.options,
      },
      { store: files, admin: files.admin },
    )
    Object.assign(this, { store, admin, bridge })
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

  async outboxFiles(): Promise<string[]> {
    return await readdir(join(this.dir, '.audiobookshelf', 'outbox'))
  }
}
