import { toFinding, type Finding } from '../store/finding.ts'
import { beginScan, type ScanOptions } from './scan-entries.ts'
import { checkFolder } from './scan-folder.ts'
import { checkLogRecords } from './scan-log.ts'
import { checkTop, listUserFolders } from './scan-top.ts'
import { linkReason } from '../trusted-file.ts'

/** What is wrong in one folder. */
export interface FolderFindings {
  /** The name of a user's folder; '' is the top of the state directory. */
  folder: string
  findings: Finding[]
}

/** Folders that are read at a time. */
const readers = 8

/**
 * Looks at all that is in the state directory, and changes nothing: first at the top, then at each user's folder, in
 * the order of their names. Folders without a finding are told of too. `show` is told how many folders are done.
 */
export async function* scanState(
  dir: string,
  options: ScanOptions = {},
  show: (done: number, total: number) => void = () => undefined,
): AsyncGenerator<FolderFindings> {
  const { findings, pending } = await readTop(dir, options)
  yield { folder: '', findings }
  const scan = await beginScan(dir, options)
  const folders = await listUserFolders(scan)
  for (let at = 0; at < folders.length; at += readers) {
    const some = folders.slice(at, at + readers)
    const scans = some.map(async (folder) => ({ folder, findings: await scanFolder(dir, folder, options) }))
    for (const each of await Promise.all(scans)) {
      yield { ...each, findings: each.findings.map((finding) => withoutPending(finding, pending)) }
    }
    show(Math.min(at + readers, folders.length), folders.length)
  }
}

/** What is wrong at the top of the state directory and in its log. */
export async function scanTop(dir: string, options: ScanOptions = {}): Promise<Finding[]> {
  return (await readTop(dir, options)).findings
}

/** What is wrong in one user's folder, by path; nothing when there is no such folder. */
export async function scanFolder(dir: string, folder: string, options: ScanOptions = {}): Promise<Finding[]> {
  return byPath(await checkFolder(dir, folder, options))
}

async function readTop(dir: string, options: ScanOptions): Promise<{ findings: Finding[]; pending: Set<string> }> {
  const scan = await beginScan(dir, options)
  const pending = await checkLogRecords(scan, await checkTop(scan))
  return { findings: byPath(scan.found), pending }
}

function byPath(found: Finding[]): Finding[] {
  return found.map(toFinding).toSorted((one, other) => (one.path < other.path ? -1 : Number(one.path > other.path)))
}

/** What a crash left half done is no damage: the next start brings it to its end. */
function withoutPending(finding: Finding, pending: Set<string>): Finding {
  const { path, problem } = finding
  // No start goes through a link.
  if (problem === linkReason || !pending.has(path.replace('/history/', '/').replace(/\.jsonl?$/, ''))) return finding
  return { path, problem, advice: 'start kss, which brings in what was pushed last, then check again', damage: false }
}
