import { isRepeat, type Progress } from '../kosync/protocol.ts'
import type { Account, Admin, Store } from '../store/store.ts'

/** What a restore needs of a store. */
interface Stores {
  store: Pick<Store, 'putProgress'>
  admin: Pick<Admin, 'importAccount'>
}

/** The reader that a restore pushes as: one of its own, as a reader ignores a push that it takes for its own. */
const restorer = { device: 'kss', device_id: 'kss' }

/** Whether the last change was a restore: doing it again must not undo it. */
export function isRestored({ device, device_id }: Pick<Progress, 'device' | 'device_id'>): boolean {
  return device === restorer.device && device_id === restorer.device_id
}

/**
 * The rows of a history with the record as the last one: it is in none where the account was over its quota, or no
 * history was kept, when it was pushed.
 */
export function changesOf(rows: Progress[], record: Progress): Progress[] {
  return isRepeat(rows.at(-1), record) ? rows : [...rows, record]
}

/**
 * Puts the position of an earlier row back over the record, so that every reader takes it at its next sync. `rows` are
 * those of the history, `now` is in milliseconds since 1970.
 */
export async function restore(
  { store, admin }: Stores,
  account: Account,
  { record, rows }: { record: Progress; rows: Progress[] },
  { document, progress, percentage }: Progress,
  now: number,
): Promise<Progress> {
  // Else nothing could take this back.
  if (!isRepeat(rows.at(-1), record)) await admin.importAccount(account, [{ rows: [record] }])
  const timestamp = freshTime(record, Math.floor(now / 1000))
  return await store.putProgress(account, { document, progress, percentage, ...restorer, timestamp })
}

/** Newer than what readers know, also within one second; a stored time that is a day ahead counts for nothing. */
function freshTime({ timestamp }: Progress, now: number): number {
  return timestamp > now + 86_400 ? now : Math.max(now, timestamp + 1)
}
