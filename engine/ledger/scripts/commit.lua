-- Commits a decision if the state it was computed on is still the state; else returns the state as it is now.
-- KEYS: marker, live, contacts, stream, decision [, answer]
-- ARGV: version, marker as read, decision id, record, oldest contact (ms), latest ids to keep
--       [, claim, keep for (ms), stored answer that this one takes the place of or '']
local function state(stored)
  return {
    redis.call('GET', KEYS[1]),
    redis.call('HGETALL', KEYS[2]),
    redis.call('ZRANGE', KEYS[3], '(' .. ARGV[5], '+inf', 'BYSCORE', 'WITHSCORES'),
    stored,
  }
end
local version = redis.call('HGET', KEYS[2], 'v') or '0'
local marker = redis.call('GET', KEYS[1]) or ''
if version ~= ARGV[1] or (ARGV[2] ~= '' and marker ~= ARGV[2]) then
  return state(false)
end
if KEYS[6] then
  local stored = redis.call('GET', KEYS[6])
  local answered = stored and string.sub(stored, 1, 1) == 'd'
  -- another call was faster, because this one took too long or both saw the same illegal answer
  if answered and stored ~= ARGV[9] then return state(stored) end
  if answered then
    redis.call('SET', KEYS[6], 'd' .. ARGV[3], 'KEEPTTL') -- no longer than the digest of its body
  else
    redis.call('SET', KEYS[6], 'd' .. ARGV[3], 'PX', ARGV[8])
  end
end
local entry = redis.call('XADD', KEYS[4], '*', 'd', ARGV[3], 'r', ARGV[4])
redis.call('SET', KEYS[5], entry)
local latest = redis.call('HGET', KEYS[2], 'd')
if latest then latest = ARGV[3] .. ',' .. latest else latest = ARGV[3] end
redis.call('HSET', KEYS[2], 'd', string.sub(latest, 1, 27 * tonumber(ARGV[6]) - 1))
return 1
