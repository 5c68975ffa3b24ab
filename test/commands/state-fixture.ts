import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { CommandError } from '../../src/command-error.ts'
import { commandLine } from '../../src/command-line.ts'
import { serve } from '../../src/commands/serve.ts'
import { loadConfig } from '../../src/config.ts'
import { keyOfPassword } from '../../src/kosync/credentials.ts'
import type { Progress } from '../../src/kosync/protocol.ts'
import { markFormat } from '../../src/store/file-store/files/format.ts'
import { FileStore } from '../../src/store/file-store/file-store.ts'
import { adminByName, byName } from '../store/by-name.ts'
import { freePort } from '../free-port.ts'

/** The MD5 of the file name `minimal-v3plus2.epub`. */
export const dune = '35322b7036d0c3298eedde8c30429693'

export const now = Math.floor(Date.now() / 1000)
export const day = 86_400

const place = (percentage: number, device: string, timestamp: number): Progress => ({
  document: dune,
  progress: `/body/DocFragment[${percentage * 100}]`,
  percentage,
  device,
  device_id: `${device.toUpperCase()}-ID`,
  timestamp,
})

/** How alice's place in Dune changed: the Kobo spoilt it an hour ago. */
export const places = [
  place(0.1, 'Phone', now - 3 * day),
  place(0.2, 'Kobo', now - 2 * day),
  place(0.5, 'Phone', now - day),
  place(0.03, 'Kobo', now - 3600),
]

/** A folder for this user with a path that is short enough for a socket; removed with the test. */
export async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kss-test-'))
  t.teardown(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }))
  return dir
}

/** A state directory with alice, whose password is `wonderland`, and her Dune; `more` adds to it. */
export async function stateFolder(t: Test, more?: (store: FileStore) => Promise<unknown>): Promise<string> {
  const dir = await folder(t)
  const store = await openStore(dir)
  await store.createUser({ username: 'alice', key: keyOfPassword('wonderland') })
  for (const pushed of places) await byName(store).putProgress('alice', pushed)
  await adminByName(store).putTitle('alice', dune, 'Dune')
  await more?.(store)
  await store.close()
  await markFormat(dir)
  return dir
}

/** The store of a folder that no kss has; it fails on damage. */
export function openStore(dir: string): Promise<FileStore> {
  const onDamage = (error: unknown): void => {
    throw error
  }
  return FileStore.open({ dir, history: true, onDamage })
}

/** A copy of a state directory. */
export async function copyOf(t: Test, dir: string): Promise<string> {
  const copy = await folder(t)
  await cp(dir, copy, { recursive: true })
  return copy
}

export interface LocalServer {
  port: number
  url: string
  close: () => Promise<void>
}

/** The server of `kss serve`, but in this process: that is quicker. Closed with the test. */
export async function serveHere(t: Test, dir: string, disableRegistration = false): Promise<LocalServer> {
  for (;;) {
    const port = await freePort()
    const flags = {
      KSS_DIR: dir,
      KSS_HOST: '127.0.0.1',
      KSS_PORT: `${port}`,
      KSS_LOG_LEVEL: 'silent',
      KSS_DISABLE_REGISTRATION: disableRegistration,
    }
    try {
      const loaded = loadConfig(flags, undefined, {})
      const { close } = await serve(loaded, commandLine(loaded))
      let closing: Promise<void> | undefined
      const closeOnce = (): Promise<void> => (closing ??= close())
      t.teardown(closeOnce)
      return { port, url: `http://127.0.0.1:${port}`, close: closeOnce }
    } catch (error) {
      // Somebody else took it meanwhile.
      if (!(error instanceof CommandError && / in use\. Try/.test(error.message))) throw error
    }
  }
}

/** What readers send for a user. */
export const headersOf = (username: string, password: string): Record<string, string> => ({
  'x-auth-user': username,
  'x-auth-key': keyOfPassword(password),
})
