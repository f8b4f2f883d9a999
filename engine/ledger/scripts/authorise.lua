-- Authorises one delivery if the state that the guards were asked on is still the state, the customer's and that of the
-- circles: its contact is reserved, and it is marked as in flight. Answers 1, or 0 where something happened in between.
-- KEYS: marker, live, contacts
-- ARGV: 1 versions as read, 2 marker as read, 3 message id, 4 contact, 5 at (ms), 6 message in flight (JSON)
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[2] or not unchanged(KEYS[2], ARGV[1]) then return 0 end
local function reserve(live, contacts)
  redis.call('ZADD', contacts, ARGV[5], ARGV[4])
  redis.call('HINCRBY', live, 'v', 1)
end
for _, circle in ipairs(circles(KEYS[2])) do reserve(circle.live, circle.contacts) end
reserve(KEYS[2], KEYS[3])
redis.call('HSET', KEYS[2], 'i:' .. ARGV[3], ARGV[6])
return 1
