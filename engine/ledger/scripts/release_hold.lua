-- Ends a hold unless it was placed again at a later position than the release has seen.
-- KEYS: live   ARGV: hold id, last position seen
local field = 'h:' .. ARGV[1]
local old = redis.call('HGET', KEYS[1], field)
if not old then return 1 end
if cjson.decode(old).seq > tonumber(ARGV[2]) then return 0 end
redis.call('HDEL', KEYS[1], field)
redis.call('HINCRBY', KEYS[1], 'v', 1)
return 1
