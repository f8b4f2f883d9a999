-- Puts a customer into a circle, or out of it where the new one is empty, and the customer's contacts with them. The latest
-- journal position wins.
-- KEYS: live, contacts   ARGV: scope, position, circle as kept (tag:reference or ':')
local field = 'g:' .. ARGV[1]
local old = redis.call('HGET', KEYS[1], field)
if old and tonumber(string.match(old, '^%d+')) >= tonumber(ARGV[2]) then return 0 end
local new = ARGV[2] .. ':' .. ARGV[3]
local entries = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
local before, after = circle_of(old), circle_of(new)
for i = 1, #entries, 2 do
  if before then redis.call('ZREM', before.contacts, entries[i]) end
  if after then redis.call('ZADD', after.contacts, entries[i + 1], entries[i]) end
end
if before then redis.call('HINCRBY', before.live, 'v', 1) end
if after then redis.call('HINCRBY', after.live, 'v', 1) end
redis.call('HSET', KEYS[1], field, new)
redis.call('HINCRBY', KEYS[1], 'v', 1)
return 1
