-- Adds a contact once, and forgets those too old to count.
-- KEYS: live, contacts   ARGV: contact, at (ms), oldest to keep (ms)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[3])
if redis.call('ZADD', KEYS[2], 'NX', ARGV[2], ARGV[1]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'v', 1)
  return 1
end
return 0
