import type { BridgeEngine } from './bridge-engine.ts'
import type { OpenStorage } from './bridge-storage.ts'
import { EngineBooks } from './engine-books.ts'
import { EngineData } from './engine-data.ts'
import { EngineLanes } from './engine-lanes.ts'
import { EngineLog } from './engine-log.ts'
import { EngineOutbox } from './engine-outbox.ts'

/** What the bridge keeps, on an engine that other processes use too. It is not asked before there is something to do. */
export function engineStorage(engine: BridgeEngine): OpenStorage {
  return async ({ store, now, onFailure, onDamage }) => ({
    data: new EngineData(engine, onFailure),
    outbox: new EngineOutbox({ engine, store, now, onDamage }),
    log: new EngineLog(engine, now, onFailure),
    books: new EngineBooks(engine, onFailure),
    lanes: new EngineLanes(engine),
  })
}
