// Run by record.ts as a program of its own, with the store bundled in.
import { openSync, writeSync } from 'node:fs'
import { mkdir, open as openFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileStore } from '../../src/store/file-store/file-store.ts'
import type { Act, Mark } from './marks.ts'
import { logOptions } from './log-options.ts'
import { byName } from '../store/by-name.ts'
import { pushLine } from '../store/file-store/wal/journal-lines.ts'

const [marksPath = '', part = '', ...dirs] = process.argv.slice(2)
const marks = openSync(marksPath, 'a')

const open = (dir: string): Promise<FileStore> =>
  FileStore.open({ dir, history: true, onDamage: () => undefined, ...logOptions, preallocate: part !== 'unallocated' })
const mark = (line: Mark): unknown => writeSync(marks, `${JSON.stringify(line)}\n`)

/** Says in the trace what is asked for, and what was answered. */
async function tell(act: Act, work: () => Promise<unknown>): Promise<boolean> {
  const id = Math.random()
  mark({ id, act })
  const result = await work().then((done) => done !== false, isNotStale)
  mark({ id, result })
  return result
}

/** False for an account that is gone or another's by now; throws what else happened. */
function isNotStale(error: unknown): false {
  if (error instanceof Error && 'code' in error && error.code === 'STALE_ACCOUNT') return false
  throw error
}

/** What the devices of one account do. `life` tells accounts apart that had the name one after the other. */
class Reader {
  readonly #store: FileStore
  readonly #username: string
  readonly #life: string
  #version = 0
  #pushes: number

  constructor(store: FileStore, username: string, life = '1', pushes = 0) {
    this.#pushes = pushes
    this.#store = store
    this.#username = username
    this.#life = `${username}:${life}`
  }

  create(): Promise<boolean> {
    const user = { username: this.#username, key: this.#key }
    return tell({ act: 'create', ...user }, () => this.#store.createUser(user))
  }

  changeKey(): Promise<boolean> {
    this.#version += 1
    const [username, key] = [this.#username, this.#key]
    return tell({ act: 'replaceKey', username, key }, () => byName(this.#store).setKey(username, key))
  }

  delete(): Promise<boolean> {
    const username = this.#username
    return tell({ act: 'delete', username }, () => byName(this.#store).deleteUser(username))
  }

  /** Every fifth is longer than a block of the disk; ten have the same second. */
  push(document: string): Promise<boolean> {
    const number = (this.#pushes += 1)
    const [username, life, progress] = [this.#username, this.#life, `${this.#life}:${number}`]
    const metadata = { title: number % 5 === 0 ? 'long '.repeat(1200) : `${number}` }
    const timestamp = 1000 + Math.floor(number / 10)
    const pushed = { document, percentage: number / 1000, progress, device: 'kobo', metadata, timestamp }
    return tell({ act: 'push', username, life, document, progress }, () =>
      byName(this.#store).putProgress(username, pushed),
    )
  }

  get #key(): string {
    return `${this.#life}:${this.#version}`
  }
}

/** Brings what was pushed into the files, without a flush. */
const write = (store: FileStore): Promise<unknown> => byName(store).listHistory('ann', 'a')

/** Accounts come, change, go and come again, while others push; files are written, and flushed, asked for or not. */
async function live(dir: string): Promise<void> {
  const store = await open(dir)
  const [ann, bob, cleo, dan] = ['ann', 'Bob', 'cleo', 'dan'].map((name) => new Reader(store, name)) as Readers
  const pushAll = async (reader: Reader): Promise<void> => {
    await Promise.all(['a', 'b', '../c', 'a'].map((document) => reader.push(document)))
  }
  await Promise.all([ann.create().then(() => pushAll(ann)), bob.create(), cleo.create(), dan.create()])
  await Promise.all([pushAll(ann), pushAll(bob), pushAll(cleo), pushAll(dan)])
  await write(store)
  await Promise.all([ann.push('a'), bob.push('b'), cleo.push('b')])
  await write(store)
  await Promise.all([store.admin.flush(), ann.push('a'), bob.push('b'), ann.changeKey()])
  await write(store)
  await Promise.all([ann.push('b'), cleo.push('a'), write(store), store.admin.flush()])
  await Promise.all([pushAll(ann), cleo.push('a'), bob.push('late'), bob.delete(), ann.changeKey()])
  const bobAgain = new Reader(store, 'Bob', '2')
  await Promise.all([bobAgain.create(), pushAll(ann), cleo.delete()])
  await Promise.all([bobAgain.push('a'), bobAgain.changeKey(), store.admin.flush()])

  const danAgain = new Reader(store, 'dan', '2')
  await dan.push('a')
  const [, created] = await Promise.all([dan.delete(), danAgain.create(), pushAll(ann)])
  if (created) await Promise.all([danAgain.push('b'), store.admin.flush()])
  for (let number = 0; number < 8; number++) {
    await Promise.all([ann.push('a'), bobAgain.push('new'), number % 3 === 0 ? write(store) : sleep(80)])
  }
  await pushAll(bobAgain)
  await pushBlocked(store, dir)
  await store.close()
}

/** A user whose history cannot be written for a while: the log keeps the pushes anew with each try. */
async function pushBlocked(store: FileStore, dir: string): Promise<void> {
  const eve = new Reader(store, 'eve')
  await eve.create()
  const obstacle = join(dir, 'eve', 'history')
  await writeFile(obstacle, '')
  for (let number = 0; number < 3; number++) await Promise.all(['a', 'b'].map((document) => eve.push(document)))
  await store.admin.flush()
  await eve.push('c')
  for (let number = 0; number < 4; number++) await store.admin.flush()
  await rm(obstacle)
  await store.admin.flush()
  await eve.push('a')
}

type Readers = [Reader, Reader, Reader, Reader]

/** What kss 0.1 left when it was killed: an account, and pushes that are in its journal alone. */
async function old(dir: string): Promise<void> {
  const act = { act: 'create', username: 'ann', key: 'ann:1:0' } as const
  const temp = join(dir, '.tmp-ann')
  for (const folder of [temp, join(dir, '.journal')]) await mkdir(folder)
  await writeDurably(join(dir, '.tmp-format'), '{"format":1}\n')
  await rename(join(dir, '.tmp-format'), join(dir, '.format'))
  await writeDurably(join(temp, 'auth.json'), JSON.stringify({ 'x-auth-user': 'ann', 'x-auth-key': act.key }))
  await tell(act, async () => {
    await rename(temp, join(dir, 'ann'))
    await flush(dir)
  })
  for (let number = 1; number <= 6; number++) {
    const document = number % 2 === 0 ? 'a' : 'b'
    const progress = `ann:1:${number}`
    await tell({ act: 'push', username: 'ann', life: 'ann:1', document, progress }, async () => {
      const push = { document, percentage: number / 1000, progress, device: 'kobo', timestamp: 1000 }
      const line = pushLine(`ann/${document}.json`, JSON.stringify(push), true)
      await writeDurably(join(dir, '.journal', `000000000${number}.log`), line)
    })
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await writeFile(path, text)
  await flush(path)
  await flush(dirname(path))
}

async function flush(path: string): Promise<void> {
  const file = await openFile(path, 'r')
  await file.sync()
  await file.close()
}

/** After a crash: those who are there push on. */
async function goOn(dir: string): Promise<void> {
  const store = await open(dir)
  for (const name of ['ann', 'Bob', 'cleo', 'dan']) {
    const life = (await store.getUser(name))?.key.split(':')[1]
    if (life !== undefined) await new Reader(store, name, life, 1000).push('a')
  }
  await store.close()
}

async function recover(dir: string): Promise<void> {
  const store = await open(dir)
  await store.close()
}

const parts: Record<string, (dir: string) => Promise<void>> = { live, unallocated: live, old, goOn, recover }
for (const dir of dirs) await parts[part]!(dir)
