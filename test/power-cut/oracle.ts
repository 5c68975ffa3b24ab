import type { Asked } from './marks.ts'
import type { Account, Observation } from './observe.ts'

/** Knows what was asked for and answered in a recording, and so what must be there after a cut. */
export class Oracle {
  readonly #asked: Asked[]

  constructor(asked: Asked[]) {
    this.#asked = asked
  }

  /** All documents that anybody pushed as the user of the name. */
  documents(): Map<string, Set<string>> {
    const documents = new Map<string, Set<string>>()
    for (const { act } of this.#asked) {
      const own = documents.get(act.username) ?? new Set()
      documents.set(act.username, act.act === 'push' ? own.add(act.document) : own)
    }
    return documents
  }

  /** What is wrong with what a start found when the power was cut after this line of the trace. */
  violations(observation: Observation, cut: number): string[] {
    const accounts = [...observation.accounts].flatMap(([username, account]) => this.#check(username, account, cut))
    return [...observation.troubles, ...accounts]
  }

  #check(username: string, account: Account, cut: number): string[] {
    const { key, records } = account
    const keys = this.#possibleKeys(username, cut)
    if (!keys.has(key)) return [`${username} has the key ${key}, and not one of ${[...keys].join()}`]
    const life = key === undefined ? undefined : lifeOf(key)
    const pushes = this.#asked.filter(({ act, result }) => 'life' in act && act.life === life && result)
    return [...records].flatMap(([document, { current, history }]) => {
      const own = pushes.filter(({ act }) => 'document' in act && act.document === document)
      const wrong = checkRecord(own, cut, current?.progress, progressOf(history))
      return wrong.map((each) => `${username} (${key}) ${document} ${each}`)
    })
  }

  /** Every key that the account may have; undefined among them when it may be gone. */
  #possibleKeys(username: string, cut: number): Set<string | undefined> {
    let keys = new Set<string | undefined>([undefined])
    for (const { act, sent, answered, result } of this.#asked) {
      if (act.username !== username || act.act === 'push' || sent > cut || !result) continue
      const after = new Set([...keys].map((key) => keyAfter(act, key)))
      const known = act.act === 'create' ? Math.min(answered, this.#firstPush(act.key)) : answered
      keys = known <= cut ? after : new Set([...keys, ...after])
    }
    return keys
  }

  /** When it was first said of a push that it is kept: so the account is there, whatever became of who made it. */
  #firstPush(key: string): number {
    const pushes = this.#asked.filter(({ act, result }) => 'life' in act && act.life === lifeOf(key) && result)
    return Math.min(...pushes.map(({ answered }) => answered))
  }
}

/** `pushes` are those that were or will be acknowledged, or that nobody was told of any more. */
function checkRecord(pushes: Asked[], cut: number, current: string | undefined, history: string[]): string[] {
  // The order of the answers is that of the journal.
  const answered = pushes.toSorted((one, other) => compare(one.answered, other.answered))
  const acknowledged = progressOf(answered.filter((push) => push.answered <= cut).map(({ act }) => act))
  const others = progressOf(answered.filter((push) => push.answered > cut).map(({ act }) => act))
  const told = `(acknowledged: ${acknowledged.join(' ') || 'nothing'})`
  const kept = history.filter((progress) => !others.includes(progress))
  const good = others.concat(acknowledged.at(-1) ?? []).includes(current ?? '') || (!current && !acknowledged.length)
  return [
    ...(good ? [] : [`is ${current} ${told}`]),
    ...(kept.join() === acknowledged.join() ? [] : [`has the history ${history.join(' ')} ${told}`]),
    ...(new Set(history).size === history.length ? [] : [`has twice in its history: ${history.join(' ')}`]),
  ]
}

function compare(one: number, other: number): number {
  return one === other ? 0 : one - other
}

function progressOf(records: object[]): string[] {
  return records.flatMap((record) => ('progress' in record ? [String(record.progress)] : []))
}

function keyAfter(act: Exclude<Asked['act'], { act: 'push' }>, key: string | undefined): string | undefined {
  if (act.act === 'delete') return undefined
  const isFree = key === undefined
  return isFree === (act.act === 'create') ? act.key : key
}

function lifeOf(key: string): string {
  return key.slice(0, key.lastIndexOf(':'))
}
