-- Ends a delivery: confirmed (a delivery contact is added), released (the reservation goes), unknown (the reservation stays),
-- or recalled (so does the mark in flight: an earlier attempt may still be on its way), for the customer and the circles.
-- Forgets contacts too old to count.
-- KEYS: live, contacts, words
-- ARGV: message id, confirmed|released|unknown|recalled, reserved contact, delivery contact, oldest to keep (ms)
local reserved = entry_of(ARGV[3], KEYS[3])
local delivered = ARGV[2] == 'confirmed' and entry_of(ARGV[4], KEYS[3])
local function added(kept, entry) return place_of(kept, entry) and kept or with(kept, entry) end
local function settle(live, contacts)
  local kept = since(kept_in(contacts), ARGV[5])
  if ARGV[2] == 'released' then
    kept = without(kept, reserved)
  else
    kept = added(kept, reserved)
    if delivered then kept = added(kept, delivered) end
  end
  keep(contacts, kept)
  redis.call('HINCRBY', live, 'v', 1)
end
for _, circle in ipairs(circles(KEYS[1])) do settle(circle.live, circle.contacts) end
if ARGV[2] ~= 'recalled' then redis.call('HDEL', KEYS[1], 'i:' .. ARGV[1]) end
settle(KEYS[1], KEYS[2])
return 1
