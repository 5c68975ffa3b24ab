import type { ImportedRows } from './imported-rows.ts'
import { quote } from './one-line.ts'
import type { ImportedUser, Problem } from './source.ts'
import { isUsername } from './wire-rules.ts'

/** Yields the problems of a user's records, then the user, without the key if `canKeep` refuses it. */
export function* toImportedUser(
  username: string,
  key: unknown,
  { documents, problems }: ImportedRows,
  canKeep: (key: string) => boolean,
): Generator<ImportedUser | Problem> {
  if (!isUsername(username)) {
    yield { problem: `user ${quote(username)}: kss takes no such name`, username }
    return
  }
  for (const { problem } of problems) yield { problem, username }
  if (typeof key !== 'string' || key === '') yield { username, documents }
  else if (canKeep(key)) yield { username, key, documents }
  else {
    yield { problem: `user ${quote(username)}: comes without the x-auth-key, which no reader can send`, username }
    yield { username, documents }
  }
}
