import { stat } from 'node:fs/promises'
import type { Test } from 'tap'
import { kss, type Ended } from './kss.ts'
import { typed, type OtherServer } from './other-servers.ts'
import { run } from './run.ts'
import { headersOf, openStore } from './state-fixture.ts'

/** What `kss import --json` prints. */
export interface Imported {
  users: { username: string; isNew: boolean; documents: number; latest: number; rows: number; password?: string }[]
  problems: string[]
}

/** Runs `kss import` of that server's data, as a process. */
export async function importFrom(
  t: Test,
  server: OtherServer,
  source: string,
  dir: string,
  ...more: string[]
): Promise<Ended> {
  const { kind, flags = [], stdin } = server
  const args = ['import', kind, source, ...flags, ...more]
  return await kss(t, args, { KSS_DIR: dir }, stdin === undefined ? undefined : await typed(t, stdin))
}

/** The same in this process, where nobody types. */
export async function importHere(
  t: Test,
  server: OtherServer,
  source: string,
  dir: string,
  ...more: string[]
): Promise<Ended> {
  if (server.stdin !== undefined) return await importFrom(t, server, source, dir, ...more)
  return await run(dir, 'import', server.kind, source, ...more)
}

export async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}

export function wentWell(t: Test, { code, stderr }: Ended): void {
  t.same({ code, stderr }, { code: 0, stderr: '' })
}

const readerHeaders = (username: string, word: string): Record<string, string> =>
  headersOf(Buffer.from(username).toString('latin1'), word)

export async function logIn(url: string, username: string, word: string): Promise<number> {
  const response = await fetch(`${url}/users/auth`, { headers: readerHeaders(username, word) })
  await response.text()
  return response.status
}

export async function pull(url: string, username: string, word: string, document: string): Promise<unknown> {
  const response = await fetch(`${url}/syncs/progress/${document}`, { headers: readerHeaders(username, word) })
  return await response.json()
}

/** What auth.json keeps as the key. */
export async function storedKey(dir: string, username: string): Promise<string> {
  const store = await openStore(dir)
  const user = await store.getUser(username)
  await store.close()
  return user?.key ?? ''
}
