-- The latest journal position wins.
-- KEYS: live   ARGV: purpose:channel, 1 or 0, position
local field = 'c:' .. ARGV[1]
local old = redis.call('HGET', KEYS[1], field)
if old and tonumber(string.sub(old, 3)) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], field, ARGV[2] .. ':' .. ARGV[3])
redis.call('HINCRBY', KEYS[1], 'v', 1)
return 1
