-- Ends a delivery: confirmed (a delivery contact is added), released (the reservation goes), or unknown (the reservation stays).
-- KEYS: live, contacts   ARGV: message id, confirmed|released|unknown, reserved contact, delivery contact, at (ms)
redis.call('HDEL', KEYS[1], 'i:' .. ARGV[1])
if ARGV[2] == 'released' then
  redis.call('ZREM', KEYS[2], ARGV[3])
else
  redis.call('ZADD', KEYS[2], 'NX', ARGV[5], ARGV[3])
  if ARGV[2] == 'confirmed' then redis.call('ZADD', KEYS[2], 'NX', ARGV[5], ARGV[4]) end
end
redis.call('HINCRBY', KEYS[1], 'v', 1)
return 1
