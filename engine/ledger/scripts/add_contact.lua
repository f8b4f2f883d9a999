-- Adds a contact once.
-- KEYS: live, contacts   ARGV: contact, at (ms)
if redis.call('ZADD', KEYS[2], 'NX', ARGV[2], ARGV[1]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'v', 1)
  return 1
end
return 0
