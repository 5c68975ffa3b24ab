/**
 * The items that a person means by a name, ignoring case. An exact name counts before a beginning, and that before any
 * other part: several items mean that the name is ambiguous. An empty name means nothing.
 */
export function findByName<T>(items: T[], namesOf: (item: T) => string[], asked: string): T[] {
  if (asked === '') return []
  const wanted = fold(asked)
  const ranks: ((name: string) => boolean)[] = [
    (name) => name === asked,
    (name) => fold(name) === wanted,
    (name) => fold(name).startsWith(wanted),
    (name) => fold(name).includes(wanted),
  ]
  for (const isMeant of ranks) {
    const found = items.filter((item) => namesOf(item).some(isMeant))
    if (found.length > 0) return found
  }
  return []
}

/** Ignores case, and that macOS stores an accent in a file name as a character of its own. */
function fold(name: string): string {
  return name.normalize('NFC').toLowerCase()
}

/** Names that an error message lists. */
const mostListed = 10

/** The names for an error message, each once: `Dune, Emma and 3 more`. */
export function listNames(names: string[]): string {
  const all = [...new Set(names)]
  const more = all.length - mostListed
  return all.slice(0, mostListed).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
