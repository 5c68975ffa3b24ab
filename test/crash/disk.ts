import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Account } from './account.ts'
import type { StoredRecord } from './document-model.ts'
import type { Report } from './report.ts'

const isTemp = (name: string): boolean => name.startsWith('.tmp-')

/** The files as whoever reads them beside the server may see them at any moment: whole documents, whole lines. */
export async function checkFiles(dir: string, report: Report): Promise<void> {
  for (const folder of await list(dir)) {
    // Temps, locks and the log.
    if (folder.startsWith('.')) continue
    for (const name of await list(join(dir, folder))) {
      const path = join(dir, folder, name)
      if (name === 'history') await checkHistories(path, report)
      else if (name === 'auth.json') await checkAuth(path, folder, report)
      else if (name.endsWith('.json')) await readRecord(path, report)
      else if (!isTemp(name)) report.violate(`${path} should not be there`)
    }
  }
}

/** After a stop: nothing is left over, and the history is complete. */
export async function checkStopped(dir: string, accounts: readonly Account[], report: Report): Promise<void> {
  await checkFiles(dir, report)
  const log = (await list(join(dir, '.wal'))).filter((name) => !isTemp(name))
  if (log.length > 0) report.violate(`the log is not empty after a stop: ${log.join(', ')}`)
  const all = await readdir(dir, { recursive: true })
  for (const path of all.filter((name) => /(^|\/)\.(tmp|lock)-[^/]*$/.test(name))) {
    if (!(await isCredentialTemp(dir, path))) report.violate(`${path} is left after a stop`)
  }
  const folders = new Set(await list(dir))
  for (const account of accounts.filter(({ isCertain }) => isCertain)) {
    if (account.login) await checkDocuments(dir, account, report)
    else if (folders.has(account.username)) report.violate(`${account.username} was deleted, and has a folder`)
  }
}

async function checkDocuments(dir: string, { username, documents }: Account, report: Report): Promise<void> {
  const folder = join(dir, username)
  for (const document of documents) {
    const name = fileNameOf(document.name)
    const record = await readRecord(join(folder, `${name}.json`), report)
    document.checkServed(record, 'file', report)
    document.checkHistory(await readHistory(join(folder, 'history', `${name}.jsonl`), report), record, report)
  }
}

async function checkHistories(folder: string, report: Report): Promise<void> {
  for (const name of await list(folder)) {
    if (name.endsWith('.jsonl')) await readHistory(join(folder, name), report, true)
    else if (!isTemp(name)) report.violate(`${join(folder, name)} should not be there`)
  }
}

async function checkAuth(path: string, username: string, report: Report): Promise<void> {
  const auth = parse(await read(path), path, report)
  if (auth && auth['x-auth-user'] !== username) report.violate(`${path} is of ${String(auth['x-auth-user'])}`)
}

async function readRecord(path: string, report: Report): Promise<StoredRecord | undefined> {
  const text = await read(path)
  return text === undefined ? undefined : checkDocument(text, path, report)
}

/** What a crash tore is the last line at most, and it has no end. */
async function readHistory(path: string, report: Report, mayBeTorn = false): Promise<StoredRecord[]> {
  const lines = ((await read(path)) ?? '').split('\n')
  const rest = lines.pop()
  if (rest !== '' && !mayBeTorn) report.violate(`${path} ends inside of a line`)
  return lines.flatMap((line) => checkDocument(line, path, report) ?? [])
}

function checkDocument(text: string, path: string, report: Report): StoredRecord | undefined {
  const record = parse(text, path, report)
  if (!record) return undefined
  const { document } = record
  if (path.match(/([^/]+)\.jsonl?$/)?.[1] === fileNameOf(String(document))) return record as unknown as StoredRecord
  report.violate(`${path} is of ${String(document)}`)
  return undefined
}

function parse(text: string | undefined, path: string, report: Report): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text ?? '') as Record<string, unknown>
  } catch {
    report.violate(`${path} is not whole: ${text?.slice(0, 200)}`)
    return undefined
  }
}

/** Enough of it for the documents of this test. @see src/store/file-store/files/file-name.ts */
function fileNameOf(document: string): string {
  return document.replaceAll(/[^a-z0-9-]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)
}

async function read(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(() => undefined)
}

async function list(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => [])
}

/** A start looks for temps where its log says that a push was under way; one of auth.json stays until `kss check --repair`. */
async function isCredentialTemp(dir: string, path: string): Promise<boolean> {
  if (dirname(path) === '.' || !isTemp(basename(path))) return false
  const text = await readFile(join(dir, path), 'utf8')
  return text === '' || text.startsWith('{"x-auth-user":')
}
