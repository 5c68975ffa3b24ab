import { readFileSync } from 'node:fs'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Test } from 'tap'
import type { Bridge } from '../../src/audiobookshelf/bridge.ts'
import { fileStorage } from '../../src/audiobookshelf/file-storage.ts'
import { Operator } from '../../src/audiobookshelf/operate.ts'
import { createPages, type PageParts } from '../../src/audiobookshelf/pages.ts'
import { SettingsEditor } from '../../src/audiobookshelf/settings-editor.ts'
import { SettingsFile } from '../../src/audiobookshelf/settings-file.ts'
import { readSettings, type Values } from '../../src/audiobookshelf/settings.ts'
import { withAudiobookshelf, type Bridged } from '../../src/audiobookshelf/with-audiobookshelf.ts'
import type { ExtraPages } from '../../src/console/options.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { openConsole, type TestConsole, type TestConsoleOptions } from '../console/visitor.ts'

export interface BridgedConsole extends TestConsole {
  dir: string
  /** Opened with the first page. */
  bridged: () => Promise<Bridged & { bridge: Bridge }>
}

/** Each page and form, to be asked for by its path alone. */
export const bridgeRoutes = createPages({} as PageParts)

const link = ['/audiobookshelf', 'Audiobookshelf'] as const

/** A console with the pages of the bridge. */
export function openBridgedConsole(
  t: Test,
  values: Values = { AUDIOBOOKSHELF_BASE_URL: 'http://127.0.0.1:1' },
  options: TestConsoleOptions = {},
  hasFile = true,
): BridgedConsole {
  const dir = mkdtempSync(join(tmpdir(), 'kss-test-'))
  const store = new MemoryStore()
  const file = new SettingsFile(dir)
  const readFile = (path: string): string => readFileSync(path, 'utf8')
  let opened: Promise<Bridged> | undefined
  const open = async (): Promise<Bridged> =>
    await withAudiobookshelf(
      {
        openStorage: fileStorage(dir),
        settings: readSettings({ ...values, ...file.get() }, readFile)!,
        disableRegistration: true,
        logger: pino({ level: 'silent' }),
        spacingMs: 0,
      },
      { store, admin: store },
    )
  const bridged = (): Promise<Bridged> => (opened ??= open())
  const routes: ExtraPages['routes'] = async () => {
    const { bridge } = await bridged()
    const onChange = bridge.configure.bind(bridge)
    const editor = new SettingsEditor({ environment: values, file: hasFile ? file : undefined, readFile, onChange })
    return createPages({ bridge, operator: new Operator(bridge, store), editor })
  }
  t.teardown(async () => {
    await (await opened)?.bridge.close()
    await rm(dir, { recursive: true, force: true })
  })
  const extra = { link, paths: ['/audiobookshelf', '/audiobookshelf/*'], routes }
  return { ...openConsole(t, { store, ...options, settings: { extra, ...options.settings } }), dir, bridged }
}
