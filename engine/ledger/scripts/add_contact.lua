-- Adds a contact once, to the customer's and to those of the customer's circles; forgets those too old to count.
-- KEYS: live, contacts   ARGV: contact, at (ms), oldest to keep (ms)
local function add(live, contacts)
  redis.call('ZREMRANGEBYSCORE', contacts, '-inf', '(' .. ARGV[3])
  local added = redis.call('ZADD', contacts, 'NX', ARGV[2], ARGV[1])
  if added == 1 then redis.call('HINCRBY', live, 'v', 1) end
  return added
end
for _, circle in ipairs(circles(KEYS[1])) do add(circle.live, circle.contacts) end
return add(KEYS[1], KEYS[2])
