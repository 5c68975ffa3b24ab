import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unlessAbsent } from '../../../../src/error-code.ts'
import { decodeSegment } from '../../../../src/store/file-store/wal/record.ts'
import { numberOf } from '../../../../src/store/file-store/wal/recovery.ts'

/** Whether no segment holds a record, and none is being preallocated: the server has nothing to do with its files. */
export async function isLogEmpty(dir: string): Promise<boolean> {
  for (const name of await readdir(join(dir, '.wal'))) {
    const bytes = await unlessAbsent(readFile(join(dir, '.wal', name)))
    if (!bytes || name.startsWith('.tmp-') || decodeSegment(bytes, numberOf(name)).lines.length > 0) return false
  }
  return true
}
