/** A file that is there but does not hold what it should. `code` is `DAMAGED_FILE`. */
export class DamagedFile extends Error {
  readonly code = 'DAMAGED_FILE'
  /** What is wrong, without the path: "is not JSON". */
  readonly reason: string

  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`)
    this.reason = reason
  }
}

/** Lists and objects in one another that a file may have: JSON.stringify ends with a stack overflow at some thousands. */
const deepest = 100

/** The JSON object in the text; throws DamagedFile when it is none. */
export function parseObject(text: string, path: string): Record<string, unknown> {
  let value: unknown
  try {
    // A byte order mark: some editors put one at the beginning.
    value = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    // The parser's own message quotes the text, which may be a key, and this one is logged.
    throw new DamagedFile(path, 'is not JSON')
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new DamagedFile(path, 'is not a JSON object')
}

/** Whether it could be parsed, but not written again: JSON.stringify calls itself for each level. */
export function isTooDeep(value: unknown): boolean {
  return isDeeper(value, deepest)
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1))
}
