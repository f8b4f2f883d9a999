-- Commits a decision if the state it was computed on is still the state, and takes the units of volumes that it needs if they
-- are still there; else returns the state as it is now.
-- KEYS: marker, live, contacts, stream, decision [, answer], volumes of the units...
-- ARGV: 1 versions as in circles.lua, 2 marker as read, 3 decision id, 4 record, 5 latest ids to keep, 6 session (JSON) or '',
--       7 units (JSON, as in units.lua) or ''
--       [, 8 claim, 9 keep for (ms), 10 stored answer that this one takes the place of or '']
local function state(stored)
  return {
    redis.call('GET', KEYS[1]),
    redis.call('HGETALL', KEYS[2]),
    redis.call('GET', KEYS[3]),
    stored,
  }
end
local marker = redis.call('GET', KEYS[1]) or ''
if not unchanged(KEYS[2], ARGV[1]) or (ARGV[2] ~= '' and marker ~= ARGV[2]) then
  return state(false)
end
local answer = ARGV[8] and KEYS[6]
local stored = answer and redis.call('GET', answer)
local answered = stored and string.sub(stored, 1, 1) == 'd'
-- another call was faster, because this one took too long or both saw the same illegal answer
if answered and stored ~= ARGV[10] then return state(stored) end
if ARGV[7] ~= '' then
  local wanted, first = cjson.decode(ARGV[7]), answer and 7 or 6
  if not enough(wanted, first) then return state(false) end
  take(wanted, first, KEYS[2])
end
if answered then
  redis.call('SET', answer, 'd' .. ARGV[3], 'KEEPTTL') -- no longer than the digest of its body
elseif answer then
  redis.call('SET', answer, 'd' .. ARGV[3], 'PX', ARGV[9])
end
local entry = redis.call('XADD', KEYS[4], '*', 'd', ARGV[3], 'r', ARGV[4])
redis.call('SET', KEYS[5], entry)
local latest = redis.call('HGET', KEYS[2], 'd')
latest = latest and string.sub(ARGV[3] .. ',' .. latest, 1, 27 * ARGV[5] - 1) or ARGV[3]
if ARGV[6] == '' then
  redis.call('HSET', KEYS[2], 'd', latest)
else
  redis.call('HSET', KEYS[2], 'd', latest, 's', ARGV[6])
end
return 1
