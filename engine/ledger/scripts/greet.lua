-- The first words on every connection: a marker that another server process left is removed before anyone trusts it.
-- KEYS: marker
local marker = redis.call('GET', KEYS[1])
if marker then
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  if string.sub(marker, 1, #run) ~= run then redis.call('DEL', KEYS[1]) end
end
return redis.status_reply('OK')
