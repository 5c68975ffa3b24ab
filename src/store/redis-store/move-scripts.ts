import { script, unconfirmed } from './scripts.ts'

/**
 * The steps of a rename from one slot of a cluster to another, in the order in which they run: see move-user.ts. Fields of
 * the account under its old name: `movesTo`, the new name; `move`, the number of the move, which grows and stays; `moved`,
 * set once the new name has the account. Under the new name: `id`, `move`, `movesFrom`, the old name, until the
 * account may be used there, and `settles`, the same until the old name's keys are removed.
 */

/** Removes the documents that KEYS[3] lists; the two are indexes of ARGV: the key prefixes of records and histories. */
const removeDocuments = (records: number, histories: number): string => `
for _, document in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  redis.call('UNLINK', ARGV[${records}] .. document, ARGV[${histories}] .. document)
end
`

/** Whether KEYS[2] is reserved for the account ARGV[1], move ARGV[2]. */
const isKept = `
local function is_kept()
  local kept = redis.call('HMGET', KEYS[2], 'id', 'move', 'movesFrom')
  return kept[1] == ARGV[1] and kept[2] == ARGV[2] and kept[3]
end
`

/** Whether the account ARGV[1] is in move ARGV[2], and the field that is set when it has moved. */
const isMoving = `
local function is_moving()
  local account = redis.call('HMGET', KEYS[2], 'id', 'move', 'movesTo', 'moved')
  return account[1] == ARGV[1] and account[2] == ARGV[2] and account[3], account[4]
end
`

/** The values of keys and their times to live, as RESTORE takes both; '' for no key. */
const dump = `
local found, bytes = {}, 0
local function add(key)
  local value = redis.call('DUMP', key) or ''
  bytes = bytes + #value
  found[#found + 1] = value
  found[#found + 1] = math.max(redis.call('PTTL', key), 0)
end
`

/**
 * Marks the account. ARGV[3]: the new name. Replies with the number of the move, and the new name of an earlier move,
 * which this one ends. `MOVED`: the new name has the account already. The script always writes, so that replicas confirm the
 * earlier writes too.
 */
export const beginMove = script(`
local refused = stale(true)
if refused then return refused end
local before = redis.call('HMGET', KEYS[2], 'movesTo', 'moved')
if before[2] and before[1] ~= ARGV[3] then return {'MOVING', before[1]} end
if before[1] ~= ARGV[3] then redis.call('HINCRBY', KEYS[2], 'move', 1) end
redis.call('HSET', KEYS[2], 'movesTo', ARGV[3])
return {before[2] and 'MOVED' or 'OK', redis.call('HGET', KEYS[2], 'move'), before[1]}
`)

/**
 * Reserves the new name, and removes the remains of an ended move. ARGV[3]: the old name; [4], [5]: the key prefixes of
 * records and histories. KEYS: key, account, documents, arriving; then the bridge's keys.
 */
export const keepName = script(`
if redis.call('EXISTS', KEYS[1]) == 1 then return {'TAKEN'} end
local kept = redis.call('HMGET', KEYS[2], 'movesFrom', 'id', 'move')
if kept[1] then
  if kept[2] ~= ARGV[1] then return {'TAKEN'} end
  if tonumber(kept[3]) > tonumber(ARGV[2]) then return {'ENDED'} end
  if kept[3] == ARGV[2] then return {'OK'} end
end
${removeDocuments(4, 5)}
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], unpack(KEYS, 5))
redis.call('HSET', KEYS[2], 'id', ARGV[1], 'generation', 0, 'move', ARGV[2], 'movesFrom', ARGV[3])
return {'OK'}
`)

/**
 * Some documents from index ARGV[1] in the order of KEYS[3]: the id, the record, the history. ARGV[2], [3]: the key prefixes
 * of records and histories. Replies with bytes: another server may have stored any.
 */
export const readMoved = unconfirmed(
  `${dump}
for _, document in ipairs(redis.call('ZRANGE', KEYS[3], ARGV[1], ARGV[1] + 99)) do
  found[#found + 1] = document
  add(ARGV[2] .. document)
  add(ARGV[3] .. document)
  if bytes > 1048576 then break end
end
return found
`,
  true,
)

/** Stores the reply of readMoved, ARGV[5] and so on. ARGV[3], [4]: the key prefixes of records and histories. */
export const writeMoved = script(`${isKept}
if not is_kept() then return {'ENDED'} end
for at = 5, #ARGV, 5 do
  local document = ARGV[at]
  if ARGV[at + 1] ~= '' then redis.call('RESTORE', ARGV[3] .. document, ARGV[at + 2], ARGV[at + 1], 'REPLACE') end
  if ARGV[at + 3] ~= '' then redis.call('RESTORE', ARGV[4] .. document, ARGV[at + 4], ARGV[at + 3], 'REPLACE') end
  redis.call('ZADD', KEYS[3], 0, document)
end
return {'OK'}
`)

/** The key, the account, and the bridge's data. */
export const readMovedAccount = unconfirmed(
  `${dump}
for _, key in ipairs(KEYS) do add(key) end
return found
`,
  true,
)

/**
 * Stores the reply of readMovedAccount, ARGV[4] and so on, in the next generation; the key at `arriving`, where nobody can
 * log in with it yet. ARGV[3]: the old name. KEYS: key, account, documents, arriving; then the bridge's keys.
 */
export const writeMovedAccount = script(`${isKept}
if not is_kept() then return {'ENDED'} end
redis.call('RESTORE', KEYS[4], ARGV[5], ARGV[4], 'REPLACE')
redis.call('RESTORE', KEYS[2], ARGV[7], ARGV[6], 'REPLACE')
for at = 5, #KEYS do
  local value = ARGV[2 * at - 2]
  if value ~= '' then redis.call('RESTORE', KEYS[at], ARGV[2 * at - 1], value, 'REPLACE') end
end
redis.call('HDEL', KEYS[2], 'movesTo', 'moved')
redis.call('HSET', KEYS[2], 'move', ARGV[2], 'movesFrom', ARGV[3], 'settles', ARGV[3], 'changed', now(), 'unlisted', 1)
redis.call('HINCRBY', KEYS[2], 'generation', 1)
return {'OK'}
`)

/** The flip: from now on the account belongs to the new name, which has a copy of everything. */
export const flip = script(`${isMoving}
if not is_moving() then return {'ENDED'} end
redis.call('HSET', KEYS[2], 'moved', 1)
return {'OK'}
`)

/**
 * Opens the account under the new name, and confirms that it is there. `LOST`: the new name has no account. KEYS: key,
 * account, documents, arriving.
 */
export const arrive = script(`${isKept}
if is_kept() then
  redis.call('RENAME', KEYS[4], KEYS[1])
  redis.call('HDEL', KEYS[2], 'movesFrom')
  return {'OK'}
end
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HGET', KEYS[2], 'id') ~= ARGV[1] then return {'LOST'} end
redis.call('HSET', KEYS[2], 'changed', now())
return {'OK'}
`)

/**
 * Removes the account that has moved. ARGV[3], [4]: the key prefixes of records and histories. KEYS: key, account,
 * documents, arriving; then the bridge's keys.
 */
export const leave = script(`${isMoving}
local moving, moved = is_moving()
if not moving or not moved then return {'ENDED'} end
${removeDocuments(3, 4)}
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], unpack(KEYS, 5))
redis.call('HSET', KEYS[2], 'gone', '')
return {'OK'}
`)

/** Notes that the old name has no keys left. */
export const settle = script(`
local account = redis.call('HMGET', KEYS[2], 'id', 'move')
if account[1] == ARGV[1] and account[2] == ARGV[2] then redis.call('HDEL', KEYS[2], 'settles') end
return {'OK'}
`)

/** Ends the move, unless the new name has the account. */
export const stay = script(`${isMoving}
local moving, moved = is_moving()
if not moving then return {'ENDED'} end
if moved then return {'MOVED'} end
redis.call('HDEL', KEYS[2], 'movesTo')
return {'OK'}
`)

/**
 * Frees the new name, after the move has ended. ARGV[3], [4]: the key prefixes of records and histories. KEYS: key,
 * account, documents, arriving; then the bridge's keys.
 */
export const freeName = script(`${isKept}
if not is_kept() then return {'ENDED'} end
${removeDocuments(3, 4)}
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], unpack(KEYS, 5))
return {'OK'}
`)
