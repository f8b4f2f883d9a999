-- A part of other scripts: units of volumes, each a member `customer|action` of its volume's sorted set, scored by when it is
-- free again (ms of the stack's clock; inf: never). `wanted` says now, the units, and what the live hash may forget.
local function in_force(volume, member, now)
  local score = redis.call('ZSCORE', volume, member)
  return score and (score == 'inf' or tonumber(score) > now)
end

-- Whether every unit is the customer's already or still there; their volumes are the keys from `first` on.
local function enough(wanted, first)
  local anew = {}
  for i, unit in ipairs(wanted.units) do
    local volume = KEYS[first + i - 1]
    if unit.most and not in_force(volume, unit.member, wanted.now) then
      anew[volume] = (anew[volume] or 0) + 1
      local used = redis.call('ZCOUNT', volume, '(' .. string.format('%.0f', wanted.now), '+inf')
      if used + anew[volume] > unit.most then return false end
    end
  end
  return true
end

-- Takes them; whoever decides for this customer at the same time sees that the version moved.
local function take(wanted, first, live)
  local moved = false
  for i, unit in ipairs(wanted.units) do
    local volume = KEYS[first + i - 1]
    if redis.call('ZSCORE', volume, unit.member) ~= unit.score then
      redis.call('ZREMRANGEBYSCORE', volume, '-inf', string.format('%.0f', wanted.now))
      redis.call('ZADD', volume, 'GT', unit.score, unit.member)
      if unit.lasts then redis.call('PEXPIRE', volume, unit.lasts) end
      moved = true
    end
    redis.call('HSET', live, unit.field, redis.call('ZSCORE', volume, unit.member))
  end
  for _, kept in ipairs(wanted.forget) do
    if redis.call('HGET', live, kept[1]) == kept[2] then redis.call('HDEL', live, kept[1]) end
  end
  if moved then redis.call('HINCRBY', live, 'v', 1) end
end
