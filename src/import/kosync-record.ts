import { isObject } from './source-file.ts'

const goNames = new Map<string, string>()

/** A field by its name in JSON, `device_id`, or else in Go and so in MessagePack, `DeviceId`. */
export function field(record: Record<string, unknown>, name: string): unknown {
  return record[name] ?? record[goNameOf(name)]
}

/** What toProgress reads, of a record of any schema; its map's key is the document where it says none. */
export function toFields(record: Record<string, unknown>, key: string): Record<string, unknown> {
  const embedded = field(record, 'progress_data')
  const data = isObject(embedded) ? embedded : record
  return {
    document: field(record, 'document_id') || field(record, 'document') || key,
    progress: field(data, 'progress'),
    percentage: fromFloat32(field(data, 'percentage')),
    device: field(data, 'device'),
    device_id: field(data, 'device_id'),
    timestamp: toTime(field(record, 'timestamp')),
  }
}

/** The first history row of a document is the zero value of what was before: nothing. */
export function isBlank(record: Record<string, unknown>): boolean {
  const { progress, percentage, timestamp } = toFields(record, '')
  return [progress, percentage, timestamp].every((value) => [undefined, '', 0].some((zero) => zero === value))
}

function goNameOf(name: string): string {
  const known = goNames.get(name)
  if (known !== undefined) return known
  const goName = name.replace(/(?:^|_)([a-z])/g, (_match, letter: string) => letter.toUpperCase())
  goNames.set(name, goName)
  return goName
}

/** The shortest decimal that is the same float32, which is what the reader sent: 0.32, not 0.3199999928474426. */
export function fromFloat32(value: unknown): unknown {
  if (typeof value !== 'number' || !Number.isFinite(value) || Math.fround(value) !== value) return value
  let digits = 1
  while (Math.fround(Number(value.toPrecision(digits))) !== value) digits++
  return Number(value.toPrecision(digits))
}

/** RFC 3339 text and MessagePack's own times become seconds; Go's zero time, in the year 1, becomes 0. */
function toTime(value: unknown): unknown {
  const isText = typeof value === 'string' && Number.isNaN(Number(value))
  if (!isText && !(value instanceof Date)) return value
  const milliseconds = value instanceof Date ? value.getTime() : Date.parse(value)
  return Math.max(0, milliseconds / 1000)
}
