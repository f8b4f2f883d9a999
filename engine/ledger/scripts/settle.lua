-- Ends a delivery: confirmed (a delivery contact is added), released (the reservation goes), unknown (the reservation stays),
-- or recalled (so does the mark in flight: an earlier attempt may still be on its way).
-- Forgets contacts too old to count.
-- KEYS: live, contacts
-- ARGV: message id, confirmed|released|unknown|recalled, reserved contact, delivery contact, at (ms), oldest to keep (ms)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[6])
if ARGV[2] ~= 'recalled' then redis.call('HDEL', KEYS[1], 'i:' .. ARGV[1]) end
if ARGV[2] == 'released' then
  redis.call('ZREM', KEYS[2], ARGV[3])
else
  redis.call('ZADD', KEYS[2], 'NX', ARGV[5], ARGV[3])
  if ARGV[2] == 'confirmed' then redis.call('ZADD', KEYS[2], 'NX', ARGV[5], ARGV[4]) end
end
redis.call('HINCRBY', KEYS[1], 'v', 1)
return 1
