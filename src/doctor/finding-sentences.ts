import { kssCommand } from '../command-line.ts'
import type { Progress } from '../kosync/protocol.ts'
import { readerName } from '../library/reader-name.ts'
import { titleOf } from '../library/titles.ts'
import type { Finding } from './findings.ts'
import { namePart } from './name-part.ts'
import type { Sentence } from './sentences.ts'

type Of<Kind extends Finding['kind']> = Extract<Finding, { kind: Kind }>

type Sayings = { [Kind in Finding['kind']]: (finding: Of<Kind>, name: string) => Sentence }

const sayings: Sayings = {
  mismatch: ({ byContent, byFileName }, name) => {
    const [one, other] = [by(byContent), by(byFileName)]
    const methods =
      one === other ? `${one} matched by content and by file name` : `${one} matches by content, ${other} by file name`
    return {
      text: `${namePart(titleOf(byContent) || titleOf(byFileName))} is there twice: ${methods}.`,
      cure: 'Choose the same document matching method on all readers, then join the two.',
      command: mergeOf(name, byContent, byFileName),
    }
  },
  twoFiles: ({ one, other }, name) => ({
    text: `${called(one)} is there twice: ${by(one)} and ${by(other)} have different files of it.`,
    cure: 'Copy the same file to both. Or choose Filename on both as the document matching method, and give the files one name.',
    command: mergeOf(name, one, other),
  }),
  backwards: ({ record, before }, name) => ({
    text: `${by(record, 'A')} took ${called(record)} back from ${percent(before)}, where ${by(before)} had been, to ${percent(record)}.`,
    cure: 'If that was a mistake, go back. On the reader, "Sync to an older state" says what it does with such a push.',
    command: kssCommand('history restore', name, record.document),
  }),
  ahead: ({ record }) => ({
    text: `The time of ${called(record)} is in the future: ${dayOf(record)}.`,
    cure: 'Check the clock of the server. A time that is more than a day ahead goes with the next push of the book.',
  }),
  silent: ({ record }) => ({
    text: `No reader has pushed anything since ${dayOf(record)}.`,
    cure: 'On the reader, open a book, then Progress sync: try "Push progress from this device now".',
  }),
  never: () => ({
    text: 'There are no books: no reader has pushed any yet, or all were removed.',
    cure: 'On the reader, open a book, then Progress sync: tap Register / Login, then "Push progress from this device now".',
  }),
}

/** The finding in words, of the account of that name. */
export function sayFinding(finding: Finding, username: string): Sentence {
  // The table has a function of that very kind.
  const say = sayings[finding.kind] as (finding: Finding, name: string) => Sentence
  return say(finding, username)
}

/** As `Kobo pushed Dune`. */
export function sayPush(record: Progress): string {
  return `${by(record, 'A')} pushed ${called(record)}`
}

function by(record: Progress, article?: string): string {
  return namePart(readerName(record, article))
}

function mergeOf(name: string, ...records: Progress[]): string {
  const [from, into] = records.toSorted((a, b) => a.timestamp - b.timestamp)
  return kssCommand('doc merge', name, from!.document, into!.document)
}

function called(record: Progress): string {
  return namePart(titleOf(record) || record.document)
}

function percent({ percentage }: Progress): string {
  return `${Math.round(percentage * 100)} %`
}

/** A date that JSON and a terminal have alike; years that no calendar has are left out. */
function dayOf({ timestamp }: Progress): string {
  const date = new Date(timestamp * 1000)
  return Number.isNaN(date.getTime()) ? 'a time that no clock shows' : date.toISOString().slice(0, 10)
}
