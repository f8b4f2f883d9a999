-- Puts a unit back in a rebuild; one that is only reserved not beyond the maximum, because its commit may have failed.
-- KEYS: live, volume   ARGV: unit (JSON, as in units.lua; without `most` where it is used for good)
local wanted = cjson.decode(ARGV[1])
if not enough(wanted, 2) then return 0 end
take(wanted, 2, KEYS[1])
return 1
