-- Removes live state for a rebuild, as long as that still holds its claim: another one may have finished since.
-- KEYS: rebuilding, keys to remove...   ARGV: rebuild id
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #KEYS do redis.call('DEL', KEYS[i]) end
return 1
