import type { Progress } from '../kosync/protocol.ts'
import type { Account, Store } from '../store/store.ts'

/** The reader that a restore pushes as: one of its own, as a reader ignores a push that it takes for its own. */
const restorer = { device: 'kss', device_id: 'kss' }

/** Whether the last change was a restore: doing it again must not undo it. */
export function isRestored({ device, device_id }: Pick<Progress, 'device' | 'device_id'>): boolean {
  return device === restorer.device && device_id === restorer.device_id
}

/**
 * Puts the position of an earlier row back over the record, so that every reader takes it at its next sync. `now` is in
 * milliseconds since 1970.
 */
export async function restore(
  store: Pick<Store, 'putProgress'>,
  account: Account,
  record: Progress,
  { document, progress, percentage }: Progress,
  now: number,
): Promise<Progress> {
  const timestamp = freshTime(record, Math.floor(now / 1000))
  return await store.putProgress(account, { document, progress, percentage, ...restorer, timestamp })
}

/** Newer than what readers know, also within one second; a stored time that is a day ahead counts for nothing. */
function freshTime({ timestamp }: Progress, now: number): number {
  return timestamp > now + 86_400 ? now : Math.max(now, timestamp + 1)
}
