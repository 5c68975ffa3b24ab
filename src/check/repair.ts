import { basename } from 'node:path'
import { keyOf, toFinding, type Finding, type Mendable } from '../store/finding.ts'
import { beginScan, type ScanOptions } from './scan-entries.ts'
import { checkFolder, type FolderOptions } from './scan-folder.ts'
import { checkLogRecords } from './scan-log.ts'
import { checkTop } from './scan-top.ts'

/**
 * Mends what is wrong in a user's folder, which nobody may push into meanwhile. Resolves to what it did (that has
 * `repair`) and to what it left to a person (that has only `advice`).
 */
export async function repairFolder(dir: string, folder: string, options: FolderOptions = {}): Promise<Finding[]> {
  return await mendAll(() => checkFolder(dir, checkedName(folder), options))
}

/** Mends only what keeps pushes from being written; that is safe while kss tries to write them. */
export async function clearFolder(dir: string, folder: string, options: FolderOptions = {}): Promise<Finding[]> {
  const find = async (): Promise<Mendable[]> => {
    return (await checkFolder(dir, checkedName(folder), options)).filter(({ obstacle }) => obstacle)
  }
  return (await mendAll(find)).filter(({ repair }) => repair !== undefined)
}

/** Mends what is wrong at the top of the state directory, but for the records of the log. */
export async function repairTop(dir: string, options: ScanOptions = {}): Promise<Finding[]> {
  return await mendAll(async () => {
    const scan = await beginScan(dir, options)
    await checkTop(scan)
    return scan.found
  })
}

/** Keeps copies of damaged segments, whose damaged records a start would drop. To be called before a store is opened. */
export async function repairLog(dir: string): Promise<Finding[]> {
  return await mendAll(async () => {
    const files = await checkTop(await beginScan(dir, { running: false }))
    const scan = await beginScan(dir, { running: false })
    await checkLogRecords(scan, files)
    return scan.found
  })
}

/** Finds and mends until nothing is left that it can mend, since mending one thing may reveal another. */
async function mendAll(find: () => Promise<Mendable[]>): Promise<Finding[]> {
  const done: Finding[] = []
  /** What was tried, and the reason to tell if it is found again. */
  const tried = new Map<string, string>()
  for (;;) {
    const found = await find()
    const next = found.filter((each) => each.mend && !tried.has(keyOf(each)))
    if (next.length === 0) return [...done, ...found.map((each) => asLeft(each, tried))]
    for (const each of next) {
      tried.set(keyOf(each), 'it came back')
      try {
        await each.mend!()
        done.push(toFinding(each))
      } catch (error) {
        tried.set(keyOf(each), (error as Error).message)
      }
    }
  }
}

function asLeft({ mend, ...rest }: Mendable, tried: Map<string, string>): Finding {
  const { repair: _failed, ...finding } = toFinding(rest)
  if (!mend) return finding
  return { ...finding, advice: `mend it by hand: ${tried.get(keyOf(finding))}` }
}

/** The name comes from another process: it must not lead out of the state directory. */
function checkedName(folder: string): string {
  if (folder === '' || folder.startsWith('.') || basename(folder) !== folder) {
    throw new Error(`${folder} is not the name of a folder in the state directory`)
  }
  return folder
}
