// Run by the build: compiles each schema that kss compiles, so that the build knows them. @see validators.js
import { pino } from 'pino'
import { createApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { MemoryStore } from '../src/store/memory-store.ts'

export { recorded } from 'ajv'

// They compile theirs when they are loaded.
await import('../src/import/wire-rules.ts')
await import('../src/upstream/old-server.ts')

loadConfig({}, undefined, {})
const app = createApp({ store: new MemoryStore(), logger: pino({ level: 'silent' }) })
await app.ready()
await app.close()
