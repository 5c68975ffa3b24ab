import { unconfirmed, unlessStale } from './scripts.ts'

/** Scripts of the Audiobookshelf bridge; a failover may undo their changes. A value is a revision of 16 characters, then text. */

/** KEYS[3]: a hash. ARGV[3]: a field; [4]: a revision whose value is left out of the reply, or ''. */
export const readField = unconfirmed(`${unlessStale}
local value = redis.call('HGET', KEYS[3], ARGV[3])
if value and string.sub(value, 1, 16) == ARGV[4] then return {'SAME'} end
return {'OK', value}
`)

/** KEYS[3]: a hash. ARGV[3]: a field; [4]: the revision that it must have, '' for none, '*' for any; [5]: the value, '' to remove it. */
export const writeField = unconfirmed(`${unlessStale}
local before = redis.call('HGET', KEYS[3], ARGV[3]) or ''
if ARGV[4] ~= '*' and string.sub(before, 1, 16) ~= ARGV[4] then return {'RETRY'} end
if ARGV[5] == '' then
  redis.call('HDEL', KEYS[3], ARGV[3])
else
  redis.call('HSET', KEYS[3], ARGV[3], ARGV[5])
end
return {'OK'}
`)

/** KEYS[3]: a hash. */
export const listFields = unconfirmed(`${unlessStale}
return {'OK', redis.call('HGETALL', KEYS[3])}
`)

/** KEYS[3]: a list. ARGV[3]: a line; [4]: the number of lines that stay. */
export const addLine = unconfirmed(`${unlessStale}
redis.call('RPUSH', KEYS[3], ARGV[3])
redis.call('LTRIM', KEYS[3], '-' .. ARGV[4], -1)
return {'OK'}
`)

/** KEYS: a lease. ARGV: the holder's token; the milliseconds from now on, 0 to end it. Replies with 1 if the token held it. */
export const extendLease = unconfirmed(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end
return {redis.call('PEXPIRE', KEYS[1], ARGV[2])}
`)
