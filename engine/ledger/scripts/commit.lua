-- Commits a decision if the state it was computed on is still the state; else returns the state as it is now.
-- KEYS: marker, live, contacts, stream, decision [, answer]
-- ARGV: version, marker as read, decision id, record, oldest contact (ms), latest ids to keep [, claim, answer, keep for (ms)]
local version = redis.call('HGET', KEYS[2], 'v') or '0'
local marker = redis.call('GET', KEYS[1]) or ''
if version ~= ARGV[1] or (ARGV[2] ~= '' and marker ~= ARGV[2]) then
  return {
    redis.call('GET', KEYS[1]),
    redis.call('HGETALL', KEYS[2]),
    redis.call('ZRANGE', KEYS[3], '(' .. ARGV[5], '+inf', 'BYSCORE', 'WITHSCORES'),
    false,
  }
end
if KEYS[6] then
  local stored = redis.call('GET', KEYS[6])
  -- another call took the claim over because this one was too slow: its answer is the answer
  if stored and stored ~= 'p' .. ARGV[7] and string.sub(stored, 1, 1) == 'd' and ARGV[10] == '0' then
    return {redis.call('GET', KEYS[1]), {}, {}, stored}
  end
  redis.call('SET', KEYS[6], 'd' .. ARGV[8], 'PX', ARGV[9])
end
local entry = redis.call('XADD', KEYS[4], '*', 'd', ARGV[3], 'r', ARGV[4])
redis.call('SET', KEYS[5], entry)
local latest = redis.call('HGET', KEYS[2], 'd')
if latest then latest = ARGV[3] .. ',' .. latest else latest = ARGV[3] end
redis.call('HSET', KEYS[2], 'd', string.sub(latest, 1, 27 * tonumber(ARGV[6]) - 1))
return 1
