-- Ends a delivery: confirmed (a delivery contact is added), released (the reservation goes), unknown (the reservation stays),
-- or recalled (so does the mark in flight: an earlier attempt may still be on its way), for the customer and the circles.
-- Forgets contacts too old to count.
-- KEYS: live, contacts
-- ARGV: message id, confirmed|released|unknown|recalled, reserved contact, delivery contact, at (ms), oldest to keep (ms)
local function settle(live, contacts)
  redis.call('ZREMRANGEBYSCORE', contacts, '-inf', '(' .. ARGV[6])
  if ARGV[2] == 'released' then
    redis.call('ZREM', contacts, ARGV[3])
  else
    redis.call('ZADD', contacts, 'NX', ARGV[5], ARGV[3])
    if ARGV[2] == 'confirmed' then redis.call('ZADD', contacts, 'NX', ARGV[5], ARGV[4]) end
  end
  redis.call('HINCRBY', live, 'v', 1)
end
for _, circle in ipairs(circles(KEYS[1])) do settle(circle.live, circle.contacts) end
if ARGV[2] ~= 'recalled' then redis.call('HDEL', KEYS[1], 'i:' .. ARGV[1]) end
settle(KEYS[1], KEYS[2])
return 1
