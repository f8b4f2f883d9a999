-- Authorises one delivery if the state that the guards were asked on is still the state: its contact is reserved, and it is
-- marked as in flight. Answers 1, or 0 where something happened in between.
-- KEYS: marker, live, contacts
-- ARGV: 1 version, 2 marker as read, 3 message id, 4 contact, 5 at (ms), 6 message in flight (JSON)
local version = redis.call('HGET', KEYS[2], 'v') or '0'
local marker = redis.call('GET', KEYS[1]) or ''
if version ~= ARGV[1] or marker ~= ARGV[2] then return 0 end
redis.call('ZADD', KEYS[3], ARGV[5], ARGV[4])
redis.call('HSET', KEYS[2], 'i:' .. ARGV[3], ARGV[6])
redis.call('HINCRBY', KEYS[2], 'v', 1)
return 1
