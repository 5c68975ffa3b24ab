import type { Progress } from '../kosync/protocol.ts'
import type { Account } from '../store/store.ts'
import type { Pushed } from './payload.ts'
import { fieldsOf, numberOf, textOf } from './replies.ts'

/** The newest position of a user and a document that Audiobookshelf does not have. It holds no secret. */
export interface Entry extends Pushed {
  username: string
  /** The id of the account. */
  account: string
  tries: number
  /** The earliest time to send it, in milliseconds since 1970. */
  due: number
}

const backoff = { first: 2000, most: 60_000, jitter: 0.2 }

/** Milliseconds until the next try: 2, 4, 8 … 60 s, a fifth more or less. `random` is from 0 to 1. */
export function delayOf(tries: number, random: number): number {
  const delay = Math.min(backoff.first * 2 ** Math.min(tries - 1, 10), backoff.most)
  return Math.round(delay * (1 + backoff.jitter * (2 * random - 1)))
}

/** An entry that is due at once. */
export function entryOf({ username, id }: Pick<Account, 'username' | 'id'>, record: Progress): Entry {
  const { document, progress, percentage, device, timestamp } = record
  return { username, account: id, document, progress, percentage, device, timestamp, tries: 0, due: 0 }
}

/** Parses an entry; throws if it is invalid. */
export function readEntry(text: string): Entry {
  const fields = fieldsOf(JSON.parse(text))
  const [percentage, timestamp] = [numberOf(fields['percentage']), numberOf(fields['timestamp'])]
  const document = textOf(fields['document'])
  if (percentage === undefined || timestamp === undefined || document === '')
    throw new Error('is no entry of the outbox')
  return {
    username: textOf(fields['username']),
    account: textOf(fields['account']),
    document,
    progress: textOf(fields['progress']),
    percentage,
    device: textOf(fields['device']),
    timestamp,
    tries: numberOf(fields['tries']) ?? 0,
    due: numberOf(fields['due']) ?? 0,
  }
}
