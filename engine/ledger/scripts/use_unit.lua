-- Uses a unit for good because of an outcome: 1, or 0 where it was kept no longer and nothing is left, or -1 where Redis does
-- not know how much is left.
-- KEYS: marker, live, volume   ARGV: unit (JSON, as in units.lua; without `most` where the journal knows that it is kept)
local wanted = cjson.decode(ARGV[1])
if wanted.units[1].most and not redis.call('GET', KEYS[1]) then return -1 end
if not enough(wanted, 3) then return 0 end
take(wanted, 3, KEYS[2])
return 1
