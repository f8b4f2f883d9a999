-- Authorises one delivery if the state that the guards were asked on is still the state, the customer's and that of the
-- circles, and the units of volumes that it needs are still there: takes them, reserves its contact, and marks it as in
-- flight. Answers 1, or 0 where something happened in between.
-- KEYS: marker, live, contacts, words, volumes of the units...
-- ARGV: 1 versions as read, 2 marker as read, 3 message id, 4 contact, 5 message in flight (JSON),
--       6 units (JSON, as in units.lua) or ''
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[2] or not unchanged(KEYS[2], ARGV[1]) then return 0 end
if ARGV[6] ~= '' then
  local wanted = cjson.decode(ARGV[6])
  if not enough(wanted, 5) then return 0 end
  take(wanted, 5, KEYS[2])
end
local entry = entry_of(ARGV[4], KEYS[4])
local function reserve(live, contacts)
  keep(contacts, with(without(kept_in(contacts), entry), entry)) -- at the time of this attempt
  redis.call('HINCRBY', live, 'v', 1)
end
for _, circle in ipairs(circles(KEYS[2])) do reserve(circle.live, circle.contacts) end
reserve(KEYS[2], KEYS[3])
redis.call('HSET', KEYS[2], 'i:' .. ARGV[3], ARGV[5])
return 1
