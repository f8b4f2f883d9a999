-- Puts a hold in force; answers with the deliveries in flight that it covers. Placing it again keeps the highest position.
-- KEYS: live   ARGV: hold id, hold (JSON), position, now (wall ms)
local field = 'h:' .. ARGV[1]
local old = redis.call('HGET', KEYS[1], field)
local hold = cjson.decode(ARGV[2])
if not old or cjson.decode(old).seq <= tonumber(ARGV[3]) then
  if old ~= ARGV[2] then
    redis.call('HSET', KEYS[1], field, ARGV[2])
    redis.call('HINCRBY', KEYS[1], 'v', 1)
  end
end
local covered = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 2) == 'i:' then
    local flight = cjson.decode(all[i + 1])
    local hit = flight.exempt == 0 and flight.expires > tonumber(ARGV[4])
    if hit then
      hit = false
      for _, purpose in ipairs(hold.purposes) do hit = hit or purpose == flight.purpose end
      for _, tag in ipairs(hold.tags) do
        for _, own in ipairs(flight.tags) do hit = hit or tag == own end
      end
    end
    if hit then covered[#covered + 1] = string.sub(all[i], 3) end
  end
end
return covered
