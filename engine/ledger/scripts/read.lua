-- All live state of one customer; with a request id also its stored answer, or the claim to compute it.
-- KEYS: marker, live, contacts [, answer]   ARGV: [claim, lease (ms)]
local stored = false
if KEYS[4] then
  stored = redis.call('GET', KEYS[4])
  if not stored then redis.call('SET', KEYS[4], 'p' .. ARGV[1], 'PX', ARGV[2]) end
end
return {
  redis.call('GET', KEYS[1]),
  redis.call('HGETALL', KEYS[2]),
  redis.call('GET', KEYS[3]),
  stored,
}
