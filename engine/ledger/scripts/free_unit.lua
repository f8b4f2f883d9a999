-- Frees a unit, unless it was taken for longer since. Another decision may keep it as well: then for as long as that does.
-- KEYS: live, volume   ARGV: member, field, score up to which it is freed, score that remains or ''
local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not score or tonumber(score) > tonumber(ARGV[3]) then return 0 end
if ARGV[4] == '' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('HDEL', KEYS[1], ARGV[2])
else
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[4])
end
redis.call('HINCRBY', KEYS[1], 'v', 1)
return 1
