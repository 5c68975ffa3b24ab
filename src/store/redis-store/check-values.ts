import type { DamagedFile } from '../../damaged-file.ts'
import type { Finding } from '../finding.ts'
import { checkMoving } from './check-moves.ts'
import { toObject, toProgress, type Fields } from './records.ts'

/** The layout that this kss writes. */
export const format = 1

/** What is wrong in the format mark. */
export function checkFormat(path: string, mark: unknown): Finding[] {
  const found = Number(mark)
  if (found === format) return []
  if (Number.isInteger(found) && found > format)
    return [{ path, problem: 'is of a newer kss', advice: 'install a newer kss-server', damage: true }]
  const advice = `write ${format} into it, unless a newer kss used this database`
  return [{ path, problem: 'does not say what format the database has', advice, damage: true }]
}

/** What is wrong in the hash of the registration. */
export function checkRegistration(path: string, fields: Fields): Finding[] {
  const { open = 'true', until = '0' } = toObject(fields)
  if (['true', 'false'].includes(open) && isNumber(until)) return []
  const advice = 'decide who may register: kss registration open'
  return [{ path, problem: 'does not say who may register', advice, damage: true }]
}

/** What is wrong in the hash of an account. An account without an id gets one at the next read. */
export function checkAccount(path: string, username: string, fields: Fields): Finding[] {
  const { id, generation = '', quotaDocuments = '0', quotaBytes = '0', bytes = '0' } = toObject(fields)
  const numbers = { generation, quotaDocuments, quotaBytes, bytes }
  const bad = Object.entries(numbers).filter(([, value]) => id !== undefined && !isNumber(value))
  const numberless = bad.map(([name]) => {
    const advice = `write a number into its field ${name} with redis-cli HSET`
    return { path, problem: `has no number as ${name}`, advice, damage: true }
  })
  return [...numberless, ...checkMoving(path, username, fields)]
}

/** What is wrong in a record; nothing if the record was removed meanwhile. */
export function checkRecord(path: string, document: string, fields: Fields): Finding[] {
  if (fields.length === 0) return []
  try {
    const { metadata } = toProgress(document, fields)
    if (metadata || toObject(fields)['metadata'] === undefined) return []
    const advice = 'the next push of a reader that sends metadata replaces it'
    return [{ path, problem: 'has metadata that is not a JSON object', advice, damage: false }]
  } catch (error) {
    const advice = 'remove it: the next push makes it anew, and its history stays'
    return [{ path, problem: (error as DamagedFile).reason, advice, damage: true }]
  }
}

function isNumber(text: string): boolean {
  return /^-?\d+$/.test(text)
}
