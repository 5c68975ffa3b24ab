import { BookFiles } from './book-files.ts'
import { BridgeFiles } from './bridge-files.ts'
import type { OpenStorage } from './bridge-storage.ts'
import { EventLogFiles } from './event-log-files.ts'
import { Lanes } from './lanes.ts'
import { OutboxFiles } from './outbox-files.ts'

/** What the bridge keeps, in a state directory. */
export function fileStorage(dir: string): OpenStorage {
  return async ({ now, onFailure, onDamage }) => ({
    data: new BridgeFiles(dir, onFailure),
    outbox: await OutboxFiles.open(dir, onDamage),
    log: new EventLogFiles(dir, now, onFailure),
    books: new BookFiles(dir, onFailure),
    lanes: new Lanes(),
  })
}
