import type { Finding } from '../finding.ts'
import type { Engine } from './engine.ts'
import { freeName } from './move-scripts.ts'
import { toObject, type Fields } from './records.ts'
import { renameCommand } from './unavailable.ts'

type CheckedEngine = Pick<Engine, 'ask' | 'run' | 'keysOf'>

/** Finding for an account whose rename in a cluster is in progress, or was interrupted. */
export function checkMoving(path: string, username: string, fields: Fields): Finding[] {
  const { movesTo } = toObject(fields)
  if (movesTo === undefined) return []
  const problem = `is being renamed to ${movesTo}, and until then requests get 503`
  const advice = `nothing is to be done while a command renames it; otherwise: ${renameCommand(username, movesTo)}`
  return [{ path, problem, advice, damage: true }]
}

/**
 * Finding for a name that has no account but is reserved for one; undefined for any other name. While the rename is in
 * progress, the account under the old name has the finding. Otherwise the name can be freed, which `mends` does.
 */
export async function checkReserved(
  engine: CheckedEngine,
  username: string,
  mends: boolean,
): Promise<Finding[] | undefined> {
  const { account: path, key, documents, arriving, records, histories } = engine.keysOf(username)
  // A key of a wrong type has a finding of its own.
  const read = async (hash: string, field: string): Promise<(string | null)[]> =>
    (await engine.ask(['TYPE', hash])) === 'hash'
      ? ((await engine.ask(['HMGET', hash, 'id', 'move', field])) as (string | null)[])
      : []
  const [id, number, from] = await read(path, 'movesFrom')
  if (typeof from !== 'string') return undefined
  const moving = await read(engine.keysOf(from).account, 'movesTo')
  if (moving.join('\n') === [id, number, username].join('\n')) return []
  // The account has arrived meanwhile.
  if ((await read(path, 'movesFrom'))[2] !== from) return []
  if (mends) await engine.run(freeName, [key, path, documents, arriving], [id!, number!, records, histories])
  const problem = `keeps the name for ${from}, which is not being renamed to it any more`
  return [{ path, problem, repair: 'frees the name', damage: false }]
}
