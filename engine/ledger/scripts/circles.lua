-- A part of other scripts. A customer's live hash names the circles, account and household, that the customer is in; a
-- circle's own hash and contacts have names of the same form. Its contacts are those of all who are in it.
local function circle_of(kept)
  local tag, circle = string.match(kept or '', '^%d+:(.+):(.+)$')
  if not tag then return nil end
  return {live = '{' .. tag .. '}l:' .. circle, contacts = '{' .. tag .. '}c:' .. circle}
end

local function circles(live)
  local found = {}
  for number, kept in ipairs(redis.call('HMGET', live, 'g:account', 'g:household')) do
    local circle = circle_of(kept)
    if circle then
      circle.number = number
      found[#found + 1] = circle
    end
  end
  return found
end

-- Whether nothing happened since a read: of the customer's version, and behind it those of the account and the household, where
-- any was read, each empty if it was not: `12`, `12:7:`.
local function unchanged(live, read)
  local now = redis.call('HGET', live, 'v') or '0'
  if now == read then return true end
  local own, account, household = string.match(read, '^(%d+):(%d*):(%d*)$')
  if now ~= own then return false end
  local versions = {account, household}
  for _, circle in ipairs(circles(live)) do
    local version = versions[circle.number]
    if version ~= '' and (redis.call('HGET', circle.live, 'v') or '0') ~= version then return false end
  end
  return true
end
