-- Puts a customer into a circle, or out of it where the new one is empty, and the customer's contacts with them. The latest
-- journal position wins.
-- KEYS: live, contacts   ARGV: scope, position, circle as kept (tag:reference or ':')
local field = 'g:' .. ARGV[1]
local old = redis.call('HGET', KEYS[1], field)
if old and tonumber(string.match(old, '^%d+')) >= tonumber(ARGV[2]) then return 0 end
local new = ARGV[2] .. ':' .. ARGV[3]
local mine, before, after = kept_in(KEYS[2]), circle_of(old), circle_of(new)
local left = before and kept_in(before.contacts)
for at = 1, #mine, SIZE do
  if before then left = without(left, string.sub(mine, at, at + SIZE - 1)) end
end
if before then keep(before.contacts, left) end
local joined = after and kept_in(after.contacts) -- may be the same circle
for at = 1, #mine, SIZE do
  local entry = string.sub(mine, at, at + SIZE - 1)
  if after then joined = with(without(joined, entry), entry) end
end
if after then keep(after.contacts, joined) end
if before then redis.call('HINCRBY', before.live, 'v', 1) end
if after then redis.call('HINCRBY', after.live, 'v', 1) end
redis.call('HSET', KEYS[1], field, new)
redis.call('HINCRBY', KEYS[1], 'v', 1)
return 1
