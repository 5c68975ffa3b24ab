import { hash } from 'node:crypto'

/**
 * Each change is one script and so one atomic step: it compares the account's id and generation, then reads and writes keys
 * of that account. A script replies with a list that begins with `OK`, or with the reason why it did nothing.
 */
export interface Script {
  text: string
  sha: string
  /** The script only reads, or a failover may undo it: no replica has to confirm it. */
  isUnconfirmed: boolean
  /** The strings of the reply are arbitrary bytes. */
  isBinary: boolean
}

export function script(text: string, isUnconfirmed: boolean = false, isBinary: boolean = false): Script {
  const whole = prelude + text
  return { text: whole, sha: hash('sha1', whole), isUnconfirmed, isBinary }
}

export function unconfirmed(text: string, isBinary: boolean = false): Script {
  return script(text, true, isBinary)
}

/**
 * KEYS[1] is the stored key, KEYS[2] the account; ARGV[1] the id, ARGV[2] the generation, '' for any. A key that another
 * server stored since does not match its sum. An account that is being renamed in a cluster is refused with `MOVING` and the
 * new name.
 */
const prelude = `
local function stale(moves)
  local key = redis.call('GET', KEYS[1])
  local account = redis.call('HMGET', KEYS[2], 'id', 'generation', 'sum', 'movesTo')
  if not key or account[1] ~= ARGV[1] then return {'GONE'} end
  if account[4] and not moves then return {'MOVING', account[4]} end
  if ARGV[2] ~= '' and (account[2] ~= ARGV[2] or account[3] ~= redis.sha1hex(key)) then return {'CHANGED'} end
end
local function size(values)
  local sum = 0
  for _, value in ipairs(values) do sum = sum + #value end
  return sum
end
local function now() return redis.call('TIME')[1] end
local function grow(bytes)
  -- What another server stored was never counted.
  if bytes ~= 0 and redis.call('HINCRBY', KEYS[2], 'bytes', bytes) < 0 then redis.call('HSET', KEYS[2], 'bytes', 0) end
end
`

/** The next `stale()` ends the script. */
export const unlessStale = `
local refused = stale()
if refused then return refused end
`

/**
 * Reads the key and the account. `NEW`: the account has no id or no generation, or another server stored the key since; run
 * `adoptUser`. `NONE` has the id of a deleted account that the indexes may still have. A mark of a move is among the fields.
 */
export const findUser = unconfirmed(`
local key = redis.call('GET', KEYS[1])
if not key then return {'NONE', redis.call('HGET', KEYS[2], 'gone')} end
local account = redis.call('HMGET', KEYS[2], 'sum', 'movesTo', 'id', 'generation')
local isWhole = account[1] == redis.sha1hex(key) and account[3] and tonumber(account[4] or '')
if not account[2] and not isWhole then return {'NEW'} end
return {'OK', key, redis.call('HGETALL', KEYS[2])}
`)

/** Gives the account an id, and a generation: the next one if another server stored its key. ARGV: the new id. */
export const adoptUser = script(`
local key = redis.call('GET', KEYS[1])
if not key then return {'NONE'} end
local account = redis.call('HMGET', KEYS[2], 'id', 'sum', 'movesTo', 'generation')
local sum = redis.sha1hex(key)
if account[3] then return {'OK', key, redis.call('HGETALL', KEYS[2])} end
if not account[1] then
  redis.call('HSET', KEYS[2], 'id', ARGV[1], 'generation', 1, 'sum', sum, 'changed', now(), 'unlisted', 1)
elseif not tonumber(account[4] or '') then
  redis.call('HSET', KEYS[2], 'generation', 1, 'sum', sum)
elseif account[2] ~= sum then
  redis.call('HSET', KEYS[2], 'sum', sum, 'changed', now())
  redis.call('HINCRBY', KEYS[2], 'generation', 1)
  redis.call('HDEL', KEYS[2], 'adopted')
end
return {'OK', key, redis.call('HGETALL', KEYS[2])}
`)

/** ARGV: id, key, then fields and values. */
export const createUser = script(`
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('HEXISTS', KEYS[2], 'movesFrom') == 1 then return {'TAKEN'} end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'id', ARGV[1], 'generation', 1, 'sum', redis.sha1hex(ARGV[2]), 'changed', now(), 'unlisted', 1)
for at = 3, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1]) end
return {'OK'}
`)

/**
 * ARGV[3]: the key that must be stored, '' for any; [4]: the new key, '' to keep it; [5]: '1' raises the generation; then fields and
 * values, '' to remove a field.
 */
export const changeUser = script(`${unlessStale}
if ARGV[3] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[3] then return {'OK'} end
if ARGV[4] ~= '' then
  redis.call('SET', KEYS[1], ARGV[4])
  redis.call('HSET', KEYS[2], 'sum', redis.sha1hex(ARGV[4]))
end
if ARGV[5] == '1' then redis.call('HINCRBY', KEYS[2], 'generation', 1) end
for at = 6, #ARGV, 2 do
  local field, value = ARGV[at], ARGV[at + 1]
  if value == '' then redis.call('HDEL', KEYS[2], field) else redis.call('HSET', KEYS[2], field, value) end
end
redis.call('HSET', KEYS[2], 'changed', now())
return {'OK'}
`)

/** ARGV[3], [4]: the key prefixes of records and histories. KEYS[3]: documents; then other keys of the account. */
export const deleteUser = script(`${unlessStale}
for _, document in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  redis.call('UNLINK', ARGV[3] .. document, ARGV[4] .. document)
end
redis.call('DEL', unpack(KEYS))
redis.call('HSET', KEYS[2], 'gone', ARGV[1])
return {'OK'}
`)

/**
 * ARGV[3] to [6]: the key prefixes of records and histories, old and new. KEYS[3]: documents; then key, account and documents
 * of the new name; then other keys of the account, old and new in turn. Not in a cluster, where the two names are in
 * different slots: see move-user.ts.
 */
export const renameUser = script(`${unlessStale}
if redis.call('EXISTS', KEYS[4]) == 1 then return {'TAKEN'} end
for _, document in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do
  redis.call('UNLINK', ARGV[5] .. document, ARGV[6] .. document)
end
redis.call('DEL', KEYS[6])
redis.call('RENAME', KEYS[1], KEYS[4])
redis.call('RENAME', KEYS[2], KEYS[5])
redis.call('HINCRBY', KEYS[5], 'generation', 1)
redis.call('HSET', KEYS[5], 'changed', now(), 'unlisted', 1)
redis.call('HSET', KEYS[2], 'gone', '')
for _, document in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  for at = 3, 4 do
    if redis.call('EXISTS', ARGV[at] .. document) == 1 then
      redis.call('RENAME', ARGV[at] .. document, ARGV[at + 2] .. document)
    end
  end
end
local function move(from, to)
  if redis.call('EXISTS', from) == 1 then redis.call('RENAME', from, to) end
end
move(KEYS[3], KEYS[6])
for at = 7, #KEYS, 2 do move(KEYS[at], KEYS[at + 1]) end
return {'OK'}
`)

/** KEYS[3]: the record. */
export const getRecord = unconfirmed(`${unlessStale}
return {'OK', redis.call('HGETALL', KEYS[3])}
`)

/** `rowOf`: the row of a record, by the rules of toProgress; nil if it cannot be read. `isRowOf`: whether a row is the record's. */
const rowOfRecord = `
local function idOf(record)
  if record.device_id ~= 'userdata: NULL' then return record.device_id end
end
local function rowOf(record)
  local percentage, time = tonumber(record.percentage or '0'), tonumber(record.timestamp or '0') or 0
  if not record.progress or not percentage or percentage ~= percentage or math.abs(percentage) == math.huge then return end
  if time ~= time or math.abs(time) == math.huge then time = 0 end
  if time >= 1e11 then time = time / 1000 end
  local part = record.percentage or '0'
  if not (part:find('^%d$') or part:find('^%d%.%d+$')) then part = string.format('%.17g', percentage) end
  local row = '{"timestamp":' .. string.format('%.0f', math.floor(time)) .. ',"percentage":' .. part
    .. ',"progress":' .. cjson.encode(record.progress) .. ',"device":' .. cjson.encode(record.device or '')
  if idOf(record) then row = row .. ',"device_id":' .. cjson.encode(idOf(record)) end
  -- Lua reads more than JSON is.
  local read, metadata = pcall(function() return cjson.encode(cjson.decode(record.metadata)) end)
  if read and metadata:sub(1, 1) == '{' then row = row .. ',"metadata":' .. metadata end
  return row .. '}'
end
local function isRowOf(record, text)
  local read, row = pcall(cjson.decode, text)
  return read and type(row) == 'table' and row.progress == record.progress and row.device == (record.device or '')
    and row.device_id == idOf(record) and row.percentage == tonumber(record.percentage or '0')
end
`

/**
 * Stores a record by the rules of nextProgress, and a row unless it is a repeat or the account is full. The record
 * before the push gets a row too if it has none: another server stored it, or kss while it kept no history. ARGV[3]: document;
 * [4]: time; [5]: the row behind its time; [6]: the most rows of a history, 0 for any number, -1 for no history; [7],
 * [8]: the quota of documents and bytes, 0 for any number; [9]: '1' keeps an existing record; then fields and values of the
 * record without the time. KEYS[3]: documents, record, history.
 */
export const putRecord = script(`${rowOfRecord}${unlessStale}
local before = redis.call('HGETALL', KEYS[4])
local own = redis.call('HMGET', KEYS[2], 'quotaDocuments', 'quotaBytes', 'bytes')
local documents, bytes = tonumber(own[1] or ARGV[7]), tonumber(own[2] or ARGV[8])
local full = bytes > 0 and tonumber(own[3] or 0) >= bytes
if #before == 0 then
  if full or (documents > 0 and redis.call('ZCARD', KEYS[3]) >= documents) then return {'QUOTA'} end
  redis.call('ZADD', KEYS[3], 0, ARGV[3])
elseif ARGV[9] == '1' then
  return {'OK', before}
end
local old, new = {}, {}
for at = 1, #before, 2 do old[before[at]] = before[at + 1] end
for at = 10, #ARGV, 2 do new[ARGV[at]] = ARGV[at + 1] end
local time, last = ARGV[4], tonumber(old.timestamp or '')
if last and last > tonumber(time) and last <= tonumber(time) + 86400 then time = string.format('%.0f', last) end
redis.call('HSET', KEYS[4], 'timestamp', time, unpack(ARGV, 10))
if not new.device_id then redis.call('HDEL', KEYS[4], 'device_id') end
local after = redis.call('HGETALL', KEYS[4])
local grown = size(after) - size(before)
local repeats = old.progress == new.progress and old.device == new.device and old.device_id == new.device_id
  and tonumber(old.percentage or '') == tonumber(new.percentage)
-- A key of another type is for a person: the position counts.
local kind = redis.call('TYPE', KEYS[5]).ok
if not repeats and not full and ARGV[6] ~= '-1' and (kind == 'list' or kind == 'none') then
  local last = redis.call('LINDEX', KEYS[5], -1)
  local earlier = #before > 0 and not (last and isRowOf(old, last)) and rowOf(old) or ''
  if earlier ~= '' then redis.call('RPUSH', KEYS[5], earlier) end
  local row = '{"timestamp":' .. time .. ',' .. ARGV[5]
  local rows = redis.call('RPUSH', KEYS[5], row)
  grown = grown + #earlier + #row
  while ARGV[6] ~= '0' and rows > tonumber(ARGV[6]) do
    grown = grown - #redis.call('LPOP', KEYS[5])
    rows = rows - 1
  end
end
grow(grown)
return {'OK', after}
`)

/** A digest of stored documents: their records and histories are KEYS[at], KEYS[at + 1] and so on. */
const digest = `
local function digest(from, sizes)
  local parts, documents = {}, {}
  for at = from, #KEYS, 2 do
    local fields, rows = redis.call('HGETALL', KEYS[at]), redis.call('LRANGE', KEYS[at + 1], 0, -1)
    for _, values in ipairs({fields, rows}) do
      for _, value in ipairs(values) do parts[#parts + 1] = #value .. ':' .. value end
      parts[#parts + 1] = ';'
      documents[#documents + 1] = values
    end
  end
  return redis.sha1hex(table.concat(parts)), documents
end
`

/** KEYS[3]: records and histories in turn. */
export const readDocuments = unconfirmed(`${digest}${unlessStale}
local sum, documents = digest(3)
return {'OK', sum, documents}
`)

/**
 * Replaces documents if they did not change since they were read. ARGV[3]: their digest; then for each document its id; the
 * number of fields and values of its record, 0 to delete it, and those; the number of its rows, -1 to keep the stored ones,
 * and those. KEYS[3]: documents; then records and histories.
 */
export const replaceDocuments = script(`${digest}${unlessStale}
local sum, before = digest(4)
if sum ~= ARGV[3] then return {'RETRY'} end
local grown, at = 0, 4
for _, values in ipairs(before) do grown = grown - size(values) end
local function take()
  at = at + 1
  return ARGV[at - 1]
end
for key = 4, #KEYS, 2 do
  redis.call('DEL', KEYS[key])
  local document, values = take(), tonumber(take())
  redis.call(values == 0 and 'ZREM' or 'ZADD', KEYS[3], unpack(values == 0 and {document} or {0, document}))
  for _ = 1, values, 2 do
    local field, value = take(), take()
    redis.call('HSET', KEYS[key], field, value)
    grown = grown + #field + #value
  end
  local rows = tonumber(take())
  if rows < 0 then grown = grown + size(before[key - 2]) else redis.call('DEL', KEYS[key + 1]) end
  for _ = 1, rows do
    local row = take()
    redis.call('RPUSH', KEYS[key + 1], row)
    grown = grown + #row
  end
end
grow(grown)
return {'OK'}
`)

/**
 * ARGV[3]: the least id in byte order, as ZRANGEBYLEX takes it; [4]: the number of documents; [5]: the key prefix of
 * records. KEYS[3]: documents. Replies with ids and records in turn; '' for a record that cannot be read.
 */
export const listRecords = unconfirmed(`${unlessStale}
local found = {}
for _, document in ipairs(redis.call('ZRANGEBYLEX', KEYS[3], ARGV[3], '+', 'LIMIT', 0, ARGV[4])) do
  local record = redis.pcall('HGETALL', ARGV[5] .. document)
  found[#found + 1] = document
  found[#found + 1] = record.err and '' or record
end
return {'OK', found}
`)

/** ARGV: hash of the session, its start time, the most sessions, seconds until it ends. KEYS: sessions of the account. */
export const addSession = script(`
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[3]))
redis.call('EXPIRE', KEYS[1], ARGV[4])
return {'OK'}
`)

/** ARGV: fields and values. KEYS: a hash, which gets exactly these. */
export const replaceHash = script(`
redis.call('DEL', KEYS[1])
for at = 1, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
return {'OK'}
`)

/** ARGV: a name; '1' to put it at the end of the list, '0' to remove it; the number of names that stay, '' for all. */
export const setListed = script(`
redis.call('LREM', KEYS[1], 0, ARGV[1])
if ARGV[2] == '1' then redis.call('RPUSH', KEYS[1], ARGV[1]) end
if ARGV[3] ~= '' then redis.call('LTRIM', KEYS[1], '-' .. ARGV[3], -1) end
return {'OK'}
`)

/** ARGV: points, milliseconds after which a new count begins. KEYS: a count. Replies with it and the milliseconds left. */
export const addPoints = unconfirmed(`
redis.call('SET', KEYS[1], 0, 'PX', ARGV[2], 'NX')
return {redis.call('INCRBY', KEYS[1], ARGV[1]), redis.call('PTTL', KEYS[1])}
`)

/** As addPoints, without adding; the count is null if there is none. */
export const readPoints = unconfirmed(`
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
`)
