import type { Stats } from 'node:fs'

/** Milliseconds since its last change, before which a file may be half written, or be changed again and look the same. */
const youngMs = 2000

/** Whether somebody may just be writing the file. */
export function isYoung({ mtimeMs }: Stats): boolean {
  return Math.abs(Date.now() - mtimeMs) < youngMs
}
