import { isObject } from './source-file.ts'

const goNames = new Map<string, string>()

/** A field by its JSON name (`device_id`) or by its Go name, which MessagePack has (`DeviceId`). */
export function field(record: Record<string, unknown>, name: string): unknown {
  return record[name] ?? record[goNameOf(name)]
}

/** The fields that toProgress reads, from a record of any schema. The map key stands in for a missing document. */
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

/** The first history row of a document is Go's zero value: there was no record before the first push. */
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

/** The shortest decimal with the same float32 value, as the reader sent it: 0.32, not 0.3199999928474426. */
export function fromFloat32(value: unknown): unknown {
  if (typeof value !== 'number' || !Number.isFinite(value) || Math.fround(value) !== value) return value
  let digits = 1
  while (Math.fround(Number(value.toPrecision(digits))) !== value) digits++
  return Number(value.toPrecision(digits))
}

/** Converts RFC 3339 text and MessagePack timestamps to seconds since 1970; Go's zero time becomes 0. */
function toTime(value: unknown): unknown {
  const isText = typeof value === 'string' && Number.isNaN(Number(value))
  if (!isText && !(value instanceof Date)) return value
  const milliseconds = value instanceof Date ? value.getTime() : Date.parse(value)
  return Math.max(0, milliseconds / 1000)
}
