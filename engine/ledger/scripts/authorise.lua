-- Authorises one delivery if the state that the guards were asked on is still the state, the customer's and that of the
-- circles, and the units of volumes that it needs are still there: takes them, reserves its contact, and marks it as in
-- flight. Answers 1, or 0 where something happened in between.
-- KEYS: marker, live, contacts, volumes of the units...
-- ARGV: 1 versions as read, 2 marker as read, 3 message id, 4 contact, 5 at (ms), 6 message in flight (JSON),
--       7 units (JSON, as in units.lua) or ''
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[2] or not unchanged(KEYS[2], ARGV[1]) then return 0 end
if ARGV[7] ~= '' then
  local wanted = cjson.decode(ARGV[7])
  if not enough(wanted, 4) then return 0 end
  take(wanted, 4, KEYS[2])
end
local function reserve(live, contacts)
  redis.call('ZADD', contacts, ARGV[5], ARGV[4])
  redis.call('HINCRBY', live, 'v', 1)
end
for _, circle in ipairs(circles(KEYS[2])) do reserve(circle.live, circle.contacts) end
reserve(KEYS[2], KEYS[3])
redis.call('HSET', KEYS[2], 'i:' .. ARGV[3], ARGV[6])
return 1
