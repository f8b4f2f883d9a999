-- Adds a contact once, to the customer's and to those of the customer's circles; forgets those too old to count.
-- KEYS: live, contacts, words   ARGV: contact, oldest to keep (ms)
local entry = entry_of(ARGV[1], KEYS[3])
local function add(live, contacts)
  local kept = since(kept_in(contacts), ARGV[2])
  if place_of(kept, entry) then return 0 end
  keep(contacts, with(kept, entry))
  redis.call('HINCRBY', live, 'v', 1)
  return 1
end
for _, circle in ipairs(circles(KEYS[1])) do add(circle.live, circle.contacts) end
return add(KEYS[1], KEYS[2])
