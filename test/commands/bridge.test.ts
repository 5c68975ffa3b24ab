import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import type { BridgeEngine } from '../../src/audiobookshelf/bridge-engine.ts'
import { openBridge, readBridge } from '../../src/commands/bridge.ts'
import { loadConfig } from '../../src/config.ts'
import type { ReaderVisit, Route } from '../../src/console/route.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { until } from '../until.ts'

t.test('the pages of the bridge change its settings, and tell the log their names', async (t) => {
  const dir = t.testdir({})
  const map = join(dir, 'map.json')
  await writeFile(map, '{"ann": "key-ann"}', { mode: 0o600 })
  const { config } = loadConfig({ KSS_DIR: dir }, undefined, {
    AUDIOBOOKSHELF_BASE_URL: 'http://127.0.0.1:1',
    AUDIOBOOKSHELF_USER_MAP: `@${map}`,
  })
  const { settings } = await readBridge(config)
  const store = new MemoryStore()
  const log: string[] = []
  const logger = pino({ base: null }, { write: (line: string) => void log.push(line) })
  const opened = await openBridge(config, settings, { store, admin: store }, { logger, whole: undefined })
  t.teardown(() => opened.store.close())
  const routes = await opened.pages!.routes()
  const post = routes.find(({ method, url }: Route) => method === 'POST' && url === '/audiobookshelf/settings')!
  const form = new URLSearchParams({ name: 'AUDIOBOOKSHELF_HTTP_TIMEOUT', value: '4321' })
  const account = { username: 'root', folder: 'root', id: 'id-1', generation: 1 }
  await mkdir(join(dir, 'root'))
  t.same(await post.act({ form, account } as ReaderVisit), { redirect: '/audiobookshelf/settings' })
  const line = JSON.parse(log.at(-1)!) as Record<string, unknown>
  t.match(line, { names: ['AUDIOBOOKSHELF_HTTP_TIMEOUT'], msg: 'settings of Audiobookshelf were changed' })
  t.same(Object.keys(line), ['level', 'time', 'names', 'msg'], 'and no value')
  t.equal((await readBridge(config)).settings?.timeoutMs, 4321)
})

t.test('where the bridge is off it has no pages, and answers no command', async (t) => {
  const { config } = loadConfig({ KSS_DIR: t.testdir({}) }, undefined, {})
  const store = new MemoryStore()
  const stores = { store, admin: store }
  const { settings } = await readBridge(config)
  const opened = await openBridge(config, settings, stores, { logger: pino({ level: 'silent' }), whole: undefined })
  t.equal(opened.store, store)
  t.equal(opened.pages, undefined)
  t.equal(await opened.operate('status'), undefined)
})

t.test('with KSS_STORE it works on the engine, and its pages change no setting', async (t) => {
  const { config } = loadConfig({}, undefined, {
    KSS_STORE: 'redis://127.0.0.1:1',
    AUDIOBOOKSHELF_BASE_URL: 'http://127.0.0.1:1',
  })
  const { settings } = await readBridge(config)
  const store = new MemoryStore()
  const looked: number[] = []
  const engine: Partial<BridgeEngine> = {
    listDue: async (time) => {
      looked.push(time)
      return []
    },
  }
  const ground = { logger: pino({ level: 'silent' }), whole: undefined, engine: engine as BridgeEngine }
  const opened = await openBridge(config, settings, { store, admin: store }, ground)
  t.teardown(() => opened.store.close())
  await until(() => looked.length > 0)
  const routes = await opened.pages!.routes()
  const post = routes.find(({ method, url }: Route) => method === 'POST' && url === '/audiobookshelf/settings')!
  const form = new URLSearchParams({ name: 'AUDIOBOOKSHELF_HTTP_TIMEOUT', value: '4321' })
  t.match(await post.act({ form, base: '', token: '' } as ReaderVisit), { status: 400 })
})
