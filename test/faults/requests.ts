import { setTimeout as sleep } from 'node:timers/promises'
import type { Account } from '../../src/store/store.ts'
import type { Random } from '../crash/random.ts'
import type { Machine } from './machine.ts'
import { AccountModel, type DocumentModel } from './model.ts'

const names = ['ann', 'eve'] as const
const documents = ['d1', 'd2', 'd3'] as const

/** Milliseconds after which a store reads again what it knows of an account, and tries again to write a file. */
export const settledMs = 1100

/** How often a read may fail on a disk that works again. */
const patience = 10

/** What a row of another server has: long before all pushes. */
const longAgo = 1_000_000_000

type Request = (account: Account, model: AccountModel) => Promise<void>

/**
 * Requests of two accounts, and a model of what the store must have after each answer: what was acknowledged, and after an
 * error the old or the new.
 */
export class Requests {
  readonly #machine: Machine
  readonly #random: Random
  readonly #accounts = new Map<string, AccountModel>()
  /** All pushes have the same time. Then two histories have no order in which they can be merged. */
  readonly #isOneSecond: boolean

  constructor(machine: Machine) {
    this.#machine = machine
    this.#random = machine.random
    this.#isOneSecond = this.#random.chance(0.5)
  }

  /** Sends one, of a random kind and account. */
  async send(): Promise<void> {
    const request = this.#random.choose<Request>([
      [10, (account) => this.#create(account.username)],
      [6, (account) => this.#delete(account)],
      [6, (account, model) => this.#rename(account, model)],
      [8, (account, model) => this.#remove(account, this.#random.pick(documents), model)],
      [4, (account, model) => this.#merge(account, model)],
      [3, (account, model) => this.#prune(account, this.#random.pick(documents), model)],
      [3, (account, model) => this.#setKey(account, model)],
      [5, (account) => this.#import(account)],
      [3, (account) => this.#read(account, this.#random.pick(documents))],
      [5, (account) => this.#title(account, this.#random.pick(documents))],
      [50, (account, model) => this.#push(account, model)],
    ])
    const username = this.#random.pick(names)
    const model = this.#accounts.get(username)
    if (!model) return await this.#create(username)
    const account = await this.#find(username)
    if (account) await request(account, model)
  }

  /** All is as the model says, on a disk that works again. */
  async verify(when: string): Promise<void> {
    this.#machine.mend()
    this.#machine.tell(`look ${when}`)
    await sleep(settledMs)
    for (const username of names) {
      const model = this.#accounts.get(username)
      const account = await this.#find(username)
      if (!model && account) this.#machine.violate(`${username} is there ${when}`)
      if (!model) continue
      if (!account) return this.#machine.violate(`${username} is not there ${when}`)
      const key = (await this.#machine.store.getUser(username))?.key ?? ''
      if (!model.keys.has(key))
        this.#machine.violate(`${username} has "${key}" ${when}, not "${[...model.keys].join('" or "')}"`)
      for (const [document, each] of model.documents) {
        const record = await this.#whenMended(async () => this.#machine.store.getProgress(account, document))
        const history = await this.#whenMended(() => this.#machine.store.listHistory(account, document))
        const wrong = each.check(record, history, this.#machine.historyLimit)
        if (wrong) this.#machine.violate(`${username}/${document} ${when}: ${wrong}`)
      }
    }
  }

  async #create(username: string): Promise<void> {
    const { result, error } = await this.#machine.attempt(`create ${username}`, () =>
      this.#machine.store.createUser({ username, key: 'first' }),
    )
    const wasThere = this.#accounts.has(username)
    if (result && wasThere) this.#machine.violate(`${username} was created twice`)
    const isThere = error ? await this.#isThere(username) : true
    if (!isThere && wasThere) this.#machine.violate(`to create ${username} took the account away`)
    if (isThere && !wasThere) this.#accounts.set(username, new AccountModel())
  }

  async #delete(account: Account): Promise<void> {
    const { username } = account
    const { error } = await this.#machine.attempt(`delete ${username}`, () => this.#machine.store.deleteUser(account))
    if (!error || !(await this.#isThere(username))) this.#accounts.delete(username)
  }

  async #rename(account: Account, model: AccountModel): Promise<void> {
    const { username } = account
    const to = username === 'ann' ? 'eve' : 'ann'
    if (this.#accounts.has(to)) return
    const { error } = await this.#machine.attempt(`rename ${username} to ${to}`, () =>
      this.#machine.store.admin.renameUser(account, to),
    )
    const isRenamed = error ? await this.#isThere(to) : true
    if (await this.#isThere(username))
      return isRenamed ? this.#machine.violate(`both ${username} and ${to} are there`) : undefined
    if (!isRenamed) this.#machine.violate(`to rename ${username} took the account away`)
    this.#accounts.delete(username)
    this.#accounts.set(to, model)
  }

  async #remove(account: Account, document: string, owner: AccountModel): Promise<void> {
    const model = owner.get(document)
    const { result, error } = await this.#machine.attempt(`remove ${account.username}/${document}`, () =>
      this.#machine.store.admin.deleteProgress(account, document),
    )
    if (error) return model.mayBeRemoved()
    if (!result && !model.mayBeMissing) this.#machine.violate(`there is no ${document} to remove`)
    model.remove()
  }

  async #merge(account: Account, model: AccountModel): Promise<void> {
    if (this.#isOneSecond) return
    const from = this.#random.pick(documents)
    const into = this.#random.pick(documents.filter((document) => document !== from))
    const { result, error } = await this.#machine.attempt(`merge ${account.username}/${from} into ${into}`, () =>
      this.#machine.store.admin.mergeDocuments(account, from, into),
    )
    const [source, target] = [model.get(from), model.get(into)]
    if (error) return await this.#lookWhatMerged(account.username, from, source, target)
    if (result) {
      target.merge(source)
      source.remove()
    } else if (!source.mayBeMissing && !target.mayBeMissing)
      this.#machine.violate(`${from} and ${into} are not both there`)
  }

  /** After a merge that was refused. What is gone must be in the other document; a power cut may bring it back. */
  async #lookWhatMerged(username: string, from: string, source: DocumentModel, target: DocumentModel): Promise<void> {
    this.#machine.mend()
    await sleep(settledMs)
    // Anew: a change of the key that was refused may count by now.
    const account = await this.#find(username)
    if (!account) return this.#machine.violate(`to merge took ${username} away`)
    const record = await this.#whenMended(async () => this.#machine.store.getProgress(account, from))
    if (record || source.mayBeMissing) return target.mayBeMerged(source)
    target.merge(source)
    source.mayBeRemoved()
  }

  async #prune(account: Account, document: string, owner: AccountModel): Promise<void> {
    owner.get(document).prune()
    await this.#machine.attempt(`prune ${account.username}/${document}`, () =>
      this.#machine.store.admin.pruneHistory(account, 2, 0, document),
    )
  }

  async #setKey(account: Account, model: AccountModel): Promise<void> {
    const key = `key ${this.#machine.report.pushes}`
    const { error } = await this.#machine.attempt(`key of ${account.username}: ${key}`, () =>
      this.#machine.store.setKey(account, key),
    )
    model.keys = error ? model.keys.add(key) : new Set([key])
  }

  async #import(account: Account): Promise<void> {
    const row = { document: 'imported', percentage: 0.1, progress: 'old', device: 'kobo', timestamp: longAgo }
    await this.#machine.attempt(`import into ${account.username}`, () =>
      this.#machine.store.admin.importAccount(account, [{ rows: [row] }]),
    )
  }

  /** Brings what is in the log into the files. */
  async #read(account: Account, document: string): Promise<void> {
    await this.#machine.attempt(`read ${account.username}/${document}`, () =>
      this.#machine.store.listHistory(account, document),
    )
  }

  async #title(account: Account, document: string): Promise<void> {
    const title = `title ${this.#machine.report.pushes}`
    await this.#machine.attempt(`title of ${account.username}/${document}`, () =>
      this.#machine.store.admin.putTitle(account, document, title),
    )
  }

  /** One document, or all of them at once. */
  async #push(account: Account, model: AccountModel): Promise<void> {
    const pushed = this.#random.chance(0.8) ? [this.#random.pick(documents)] : documents
    await Promise.all(pushed.map((document) => this.#pushOne(account, document, model.get(document))))
  }

  async #pushOne(account: Account, document: string, model: DocumentModel): Promise<void> {
    const push = (this.#machine.report.pushes += 1)
    model.send(push)
    const record = {
      document,
      percentage: push / 1_000_000,
      progress: `${push}`,
      device: 'kobo',
      timestamp: longAgo * 1.5 + (this.#isOneSecond ? 0 : push),
    }
    const { error } = await this.#machine.attempt(`push ${account.username}/${document}: ${push}`, () =>
      this.#machine.store.putProgress(account, record),
    )
    if (!error) model.acknowledge(push)
  }

  /** A file that could not be written is tried again after a while. */
  async #whenMended<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      const { result, error } = await this.#machine.attempt('read', work)
      if (!error) return result
      if (tries === patience) this.#machine.violate(`what cannot be read on a disk that works: ${error.message}`)
      await sleep(settledMs)
    }
  }

  /** After an error, on a disk that works again. */
  async #isThere(username: string): Promise<boolean> {
    this.#machine.mend()
    await sleep(settledMs)
    return (await this.#find(username)) !== undefined
  }

  async #find(username: string): Promise<Account | undefined> {
    const { result } = await this.#machine.attempt(`look up ${username}`, async () =>
      this.#machine.store.getUser(username),
    )
    return result?.account
  }
}
