import type { Finding } from '../finding.ts'
import type { Engine } from './engine.ts'
import { freeName } from './move-scripts.ts'
import { toObject, type Fields } from './records.ts'
import { renameCommand } from './unavailable.ts'

type CheckedEngine = Pick<Engine, 'ask' | 'run' | 'keysOf'>

/** What an account tells of a rename in a cluster that goes on, or was cut off. */
export function checkMoving(path: string, username: string, fields: Fields): Finding[] {
  const { movesTo } = toObject(fields)
  if (movesTo === undefined) return []
  const problem = `is being renamed to ${movesTo}, and until then requests get 503`
  const advice = `nothing is to be done while a command renames it; otherwise: ${renameCommand(username, movesTo)}`
  return [{ path, problem, advice, damage: true }]
}

/**
 * Of a name without an account: undefined unless it is reserved for one. Of that one a finding tells, as long as it is on its way;
 * otherwise the name can be freed, which `mends` does.
 */
export async function checkReserved(
  engine: CheckedEngine,
  username: string,
  mends: boolean,
): Promise<Finding[] | undefined> {
  const { account: path, key, documents, arriving, records, histories } = engine.keysOf(username)
  // What is of another type is told by itself.
  const read = async (hash: string, field: string): Promise<(string | null)[]> =>
    (await engine.ask(['TYPE', hash])) === 'hash'
      ? ((await engine.ask(['HMGET', hash, 'id', 'move', field])) as (string | null)[])
      : []
  const [id, number, from] = await read(path, 'movesFrom')
  if (typeof from !== 'string') return undefined
  const moving = await read(engine.keysOf(from).account, 'movesTo')
  if (moving.join('\n') === [id, number, username].join('\n')) return []
  // It has arrived meanwhile.
  if ((await read(path, 'movesFrom'))[2] !== from) return []
  if (mends) await engine.run(freeName, [key, path, documents, arriving], [id!, number!, records, histories])
  const problem = `keeps the name for ${from}, which is not being renamed to it any more`
  return [{ path, problem, repair: 'frees the name', damage: false }]
}
