import { setTimeout as sleep } from 'node:timers/promises'
import { describe, type Answer, type Client, type Login } from './client.ts'
import { DocumentModel, percentageOf, type StoredRecord } from './document-model.ts'
import type { Report } from './report.ts'

/** A name that readers log in with, and what may be behind it. */
export class Account {
  readonly username: string
  readonly #names: readonly string[]
  #documents: DocumentModel[]
  /** Of its key, or undefined when there is no account; two of them while nobody knows what became of a change. */
  #possible: (string | undefined)[] = [undefined]
  /** A key that was good until the last change. */
  #refused: string | undefined
  #changed = true
  #pushes = 0
  #keys = 0

  constructor(username: string, names: readonly string[]) {
    this.username = username
    this.#names = names
    this.#documents = this.#makeDocuments()
  }

  get documents(): readonly DocumentModel[] {
    return this.#documents
  }

  /** Undefined when there is no account, or nobody knows. */
  get login(): Login | undefined {
    const [key] = this.#possible
    return this.isCertain && key !== undefined ? { username: this.username, key } : undefined
  }

  get isCertain(): boolean {
    return this.#possible.length === 1
  }

  /** Pushes the document's next value; resolves to the status, or undefined when the connection broke. */
  async push(client: Client, document: DocumentModel, device: string, report: Report): Promise<Answer | undefined> {
    const push = document.send(++this.#pushes, device)
    const answer = await client.ask('PUT', '/syncs/progress', this.login, {
      document: document.name,
      progress: `${push.number}`,
      percentage: percentageOf(push),
      device,
    })
    if (!answer) return undefined
    document.answered(push, answer.status === 200)
    if (answer.status === 200) report.acknowledged += 1
    return answer
  }

  create(client: Client, report: Report): Promise<boolean> {
    const key = this.#newKey()
    const ask = (): Promise<Answer | undefined> =>
      client.ask('POST', '/users/create', undefined, { username: this.username, password: key })
    return this.#change(key, ask, 201, report)
  }

  changeKey(client: Client, report: Report): Promise<boolean> {
    const { login } = this
    const key = this.#newKey()
    return this.#change(key, () => client.ask('PUT', '/users/password', login, { password: key }), 200, report)
  }

  delete(client: Client, report: Report): Promise<boolean> {
    const { login } = this
    return this.#change(undefined, () => client.ask('DELETE', '/users/me', login), 200, report)
  }

  /** After a restart: exactly one of the states that are possible is true, and each document is as it has to be. */
  async verify(client: Client, report: Report): Promise<void> {
    if (this.#changed) await this.#findState(client, report)
    const { login } = this
    if (!login) return
    await Promise.all(
      this.#documents.map(async (document) => {
        const answer = await get(client, `/syncs/progress/${encodeURIComponent(document.name)}`, login)
        if (answer?.status !== 200) {
          report.violate(`GET ${document.title}: ${answer ? describe(answer) : 'no answer'}`)
          return
        }
        const isThere = Object.keys(answer.body).length > 0
        document.checkServed(isThere ? (answer.body as unknown as StoredRecord) : undefined, 'GET', report)
      }),
    )
  }

  /** The server is gone. */
  ended(): void {
    for (const document of this.#documents) document.ended()
  }

  async #findState(client: Client, report: Report): Promise<void> {
    const keys = [...new Set([...this.#possible, this.#refused])].filter((key) => key !== undefined)
    const statuses = await Promise.all(keys.map((key) => this.#logIn(client, key)))
    const good = keys.filter((_key, at) => statuses[at] === 200)
    const strange = statuses.some((status) => status !== 200 && status !== 401)
    if (strange || good.length > 1 || !this.#possible.includes(good[0])) {
      const expected = this.#possible.map((key) => key ?? 'no account').join(' or ')
      report.violate(`log-in of ${this.username}: ${keys.join(', ')} → ${statuses.join(', ')}; expected: ${expected}`)
      return
    }
    this.#settle(good[0])
    this.#changed = false
  }

  async #logIn(client: Client, key: string): Promise<number | undefined> {
    return (await get(client, '/users/auth', { username: this.username, key }))?.status
  }

  /** Whether it was acknowledged. */
  async #change(
    next: string | undefined,
    ask: () => Promise<Answer | undefined>,
    expected: number,
    report: Report,
  ): Promise<boolean> {
    this.#possible = [...this.#possible, next]
    this.#changed = true
    const answer = await ask()
    if (answer?.status === expected) {
      this.#settle(next)
      report.accountChanges += 1
      return true
    }
    // 503: the server is about to stop.
    if (answer && answer.status !== 503) report.violate(`a change of ${this.username}: ${describe(answer)}`)
    return false
  }

  #settle(key: string | undefined): void {
    // Nothing that was pushed before may ever come back.
    if (key === undefined) this.#documents = this.#makeDocuments()
    this.#refused = this.#possible.find((other) => other !== undefined && other !== key) ?? this.#refused
    this.#possible = [key]
  }

  #makeDocuments(): DocumentModel[] {
    return this.#names.map((name) => new DocumentModel(this.username, name))
  }

  #newKey(): string {
    this.#keys += 1
    return `${this.username}-key-${this.#keys}`
  }
}

/** A server that has too many keys to hash on a busy machine answers 503: then the client tries again. */
async function get(client: Client, path: string, login: Login): Promise<Answer | undefined> {
  for (let tries = 1; ; tries++) {
    const answer = await client.ask('GET', path, login)
    if (answer?.status !== 503 || tries === 5) return answer
    await sleep(1000)
  }
}
