import { setTimeout as sleep } from 'node:timers/promises'
import { foundAgain } from '../store/finding.ts'
import { scanFolder, scanState, scanTop, type FolderFindings } from './scan.ts'

/** Milliseconds after which a running server has written what it was writing when the scan began. */
const settleMs = 1500

/** Folders with findings beside a running server that are looked at again together. */
const mostUnsettled = 1000

export interface SettledOptions {
  /** A server has the directory. */
  running: boolean
  /** Told how many folders are done. */
  show?: (done: number, total: number) => void
  /** Cuts the scan off: it throws an AbortError. */
  signal?: AbortSignal
}

/** Finds what is wrong. Beside a running server it looks twice: what was only being written is right the second time. */
export async function* scanSettled(
  dir: string,
  { running, show, signal }: SettledOptions,
): AsyncGenerator<FolderFindings> {
  let found: FolderFindings[] = []
  for await (const each of scanState(dir, { running }, show)) {
    signal?.throwIfAborted()
    if (each.findings.length === 0) continue
    if (!running) yield each
    else if (found.push(each) >= mostUnsettled) {
      yield* scanAgain(dir, found, signal)
      found = []
    }
  }
  if (found.length > 0) yield* scanAgain(dir, found, signal)
}

async function* scanAgain(
  dir: string,
  found: FolderFindings[],
  signal: AbortSignal | undefined,
): AsyncGenerator<FolderFindings> {
  await sleep(settleMs, undefined, { signal })
  for (const { folder, findings } of found) {
    const again = await (folder === '' ? scanTop(dir, { running: true }) : scanFolder(dir, folder, { running: true }))
    yield { folder, findings: foundAgain(findings, again) }
  }
}
