-- A part of other scripts: contacts, one string of 15 bytes each in order of time: time (6), code of the words (4), id (5). What
-- a script is given of one: time (6), id (5), four codes (16), and its words; the first code that no other words have is used.
local SIZE = 15

local function entry_of(packed, vocabulary)
  local text = string.sub(packed, 28)
  for at = 12, 24, 4 do
    local code = string.sub(packed, at, at + 3)
    local known = redis.call('HGET', vocabulary, code)
    if not known then redis.call('HSET', vocabulary, code, text) end
    if not known or known == text then return string.sub(packed, 1, 6) .. code .. string.sub(packed, 7, 11) end
  end
  error('all codes of these words stand for others')
end

local function kept_in(contacts) return redis.call('GET', contacts) or '' end

local function keep(contacts, kept)
  if kept == '' then redis.call('DEL', contacts) else redis.call('SET', contacts, kept) end
end

-- Where the contact of these words and this id is, at whatever time; nil where it is not.
local function place_of(kept, entry)
  local at, same = 0, string.sub(entry, 7)
  repeat
    at = string.find(kept, same, at + 1, true)
  until not at or at % SIZE == 7
  return at and at - 6
end

local function without(kept, entry)
  local at = place_of(kept, entry)
  return at and string.sub(kept, 1, at - 1) .. string.sub(kept, at + SIZE) or kept
end

local function later(kept, at, entry)
  for i = 1, SIZE do
    local one, other = string.byte(kept, at + i), string.byte(entry, i)
    if one ~= other then return one > other end
  end
  return false
end

local function with(kept, entry)
  local at = #kept
  while at > 0 and later(kept, at - SIZE, entry) do at = at - SIZE end
  return string.sub(kept, 1, at) .. entry .. string.sub(kept, at + 1)
end

-- Those that are not older than some milliseconds.
local function since(kept, oldest)
  local from, least = 1, tonumber(oldest)
  while from < #kept do
    local a, b, c, d, e, f = string.byte(kept, from, from + 5)
    if ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f >= least then break end
    from = from + SIZE
  end
  return string.sub(kept, from)
end
