-- Sets (or, with an empty value, removes) one field of the live state and moves the version if that changed anything.
-- KEYS: live   ARGV: field, value [, 1: leave a value that is there]
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old and ARGV[3] == '1' then return 1 end
if ARGV[2] == '' then
  if old then
    redis.call('HDEL', KEYS[1], ARGV[1])
    redis.call('HINCRBY', KEYS[1], 'v', 1)
  end
elseif old ~= ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('HINCRBY', KEYS[1], 'v', 1)
end
return 1
