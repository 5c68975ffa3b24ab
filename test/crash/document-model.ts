import type { Report } from './report.ts'

/** What the server is asked to store, and when: `sent` and `end` are of the model's own clock. */
export interface Push {
  number: number
  device: string
  sent: number
  /** Of its answer, or of the end of the server; it takes effect between the two, if at all. */
  end: number
  /** It was acknowledged, or seen: from then on it must stay. */
  kept: boolean
}

export interface StoredRecord {
  document: string
  progress: string
  percentage: number
  device: string
  timestamp: number
}

let clock = 0

/** All that was pushed of a document, and what of it the server may show. */
export class DocumentModel {
  readonly name: string
  /** For what a person reads. */
  readonly title: string
  readonly #pushes = new Map<number, Push>()
  readonly #inFlight = new Set<Push>()
  /** When the newest of the kept ones was sent: a push that ended before is overwritten for certain. */
  #overwritten = 0

  constructor(owner: string, name: string) {
    this.name = name
    this.title = `of ${owner}/${name}`
  }

  send(number: number, device: string): Push {
    const push = { number, device, sent: ++clock, end: Infinity, kept: false }
    this.#pushes.set(number, push)
    this.#inFlight.add(push)
    return push
  }

  /** It was answered; not to keep it is what an error says. */
  answered(push: Push, kept: boolean): void {
    push.end = ++clock
    this.#inFlight.delete(push)
    if (kept) this.#keep(push)
  }

  /** The server is gone: what was in flight has taken effect by now, or never will. */
  ended(): void {
    for (const push of this.#inFlight) this.answered(push, false)
  }

  /** What the server serves, or has in its file, while nothing is in flight: the last kept push, or a later one. */
  checkServed(record: StoredRecord | undefined, where: string, report: Report): void {
    const push = record && this.#find(record, where, report)
    if (record && !push) return
    if (push ? push.end < this.#overwritten : this.#overwritten > 0) {
      report.lost += 1
      const last = [...this.#pushes.values()].findLast(({ kept }) => kept)
      report.violate(
        `${where} ${this.title}: it is at ${push?.number ?? 'nothing'}, but ${last?.number} was acknowledged`,
      )
    }
    if (push) this.#keep(push)
  }

  /** All kept pushes are there, each once, in an order that their times allow, and the record is the last of them. */
  checkHistory(history: StoredRecord[], record: StoredRecord | undefined, report: Report): void {
    const found = new Set<Push>()
    let begun = 0
    let timestamp = 0
    for (const line of history) {
      const push = this.#find(line, 'history', report)
      if (!push) continue
      if (found.has(push)) {
        report.duplicated += 1
        report.violate(`history ${this.title}: ${push.number} is there twice`)
        continue
      }
      found.add(push)
      if (push.end < begun) report.violate(`history ${this.title}: ${push.number} is after a push that came later`)
      if (line.timestamp < timestamp) report.violate(`history ${this.title}: the time of ${push.number} goes back`)
      begun = Math.max(begun, push.sent)
      timestamp = line.timestamp
    }
    this.#checkComplete(found, report)
    const last = history.at(-1)?.progress
    if (last !== record?.progress)
      report.violate(`history ${this.title}: it ends at ${last}, the record is ${record?.progress}`)
  }

  #checkComplete(found: Set<Push>, report: Report): void {
    for (const push of this.#pushes.values()) {
      if (!push.kept || found.has(push)) continue
      report.lost += 1
      report.violate(`history ${this.title}: ${push.number} was acknowledged, and is not there`)
    }
    for (const push of found) this.#keep(push)
  }

  #find(record: StoredRecord, where: string, report: Report): Push | undefined {
    const push = this.#pushes.get(Number(record.progress))
    const { document, percentage, device } = record
    if (!push) report.violate(`${where} ${this.title}: ${record.progress} was never pushed`)
    else if (document !== this.name || percentage !== percentageOf(push) || device !== push.device) {
      report.violate(`${where} ${this.title}: ${JSON.stringify(record)} is a mixture`)
    }
    return push
  }

  #keep(push: Push): void {
    push.kept = true
    this.#overwritten = Math.max(this.#overwritten, push.sent)
  }
}

export function percentageOf({ number }: Push): number {
  return number / 10_000_000
}
