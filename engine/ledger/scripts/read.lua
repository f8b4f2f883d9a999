-- All live state of one customer; with a request id also its stored answer, or the claim to compute it.
-- KEYS: marker, live, contacts [, answer]   ARGV: oldest contact of interest (ms) [, claim, lease (ms)]
local stored = false
if KEYS[4] then
  stored = redis.call('GET', KEYS[4])
  if not stored then redis.call('SET', KEYS[4], 'p' .. ARGV[2], 'PX', ARGV[3]) end
end
return {
  redis.call('GET', KEYS[1]),
  redis.call('HGETALL', KEYS[2]),
  redis.call('ZRANGE', KEYS[3], '(' .. ARGV[1], '+inf', 'BYSCORE', 'WITHSCORES'),
  stored,
}
