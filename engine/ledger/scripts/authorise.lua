-- Authorises one delivery: reconciled, not held, consented, within every limit; then reserves its contact and marks it in
-- flight. Its own earlier reservation never counts against it.
-- KEYS: marker, live, contacts
-- ARGV: 1 message id, 2 contact, 3 now (ms), 4 message (JSON: purpose, tags, exempt 0|1, consent field, consent default 0|1,
--       careful 0|1), 5 limits (JSON), 6 now (wall ms), 7 lease (ms)
local message = cjson.decode(ARGV[4])
local now = tonumber(ARGV[3])
if not redis.call('GET', KEYS[1]) and message.careful == 0 then return {'not_reconciled', ''} end

if message.exempt == 0 then
  local all = redis.call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'h:' then
      local hold = cjson.decode(all[i + 1])
      local open = hold['until'] == cjson.null or hold['until'] == nil or hold['until'] > now
      local hit = false
      for _, purpose in ipairs(hold.purposes) do hit = hit or purpose == message.purpose end
      for _, tag in ipairs(hold.tags) do
        for _, own in ipairs(message.tags) do hit = hit or tag == own end
      end
      if open and hit then return {'hold:' .. string.sub(all[i], 3), ''} end
    end
  end
end

local consent = redis.call('HGET', KEYS[2], message.consent)
local granted = message.default == 1
if consent then granted = string.sub(consent, 1, 1) == '1' end
if not granted then return {'consent', ''} end

local full, last = nil, 0 -- of several full limits the one that stays full for longest
for _, limit in ipairs(cjson.decode(ARGV[5])) do
  local times = {}
  local entries = redis.call('ZRANGE', KEYS[3], '(' .. limit.since, '+inf', 'BYSCORE', 'WITHSCORES')
  for i = 1, #entries, 2 do
    local kind, channel, action, group, purpose, id =
      string.match(entries[i], '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
    if id ~= ARGV[1] and string.find(limit.kinds, kind, 1, true)
      and (limit.channel == '' or limit.channel == channel)
      and (limit.action == '' or limit.action == action)
      and (limit.group == '' or limit.group == group)
      and (limit.purposes == '' or string.find(limit.purposes, ',' .. purpose .. ',', 1, true)) then
      times[#times + 1] = tonumber(entries[i + 1])
    end
  end
  if #times >= limit.maximum then
    local frees = times[#times - limit.maximum + 1] + limit.window
    if not full or frees > last or (frees == last and limit.name > full) then
      full, last = limit.name, frees
    end
  end
end
if full then return {'limit:' .. full, string.format('%.0f', last)} end

redis.call('ZADD', KEYS[3], now, ARGV[2])
message.expires = tonumber(ARGV[6]) + tonumber(ARGV[7])
redis.call('HSET', KEYS[2], 'i:' .. ARGV[1], cjson.encode(message))
redis.call('HINCRBY', KEYS[2], 'v', 1)
return {'authorised', ''}
