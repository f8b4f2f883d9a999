-- Sets the marker, unless Redis was wiped or restarted since this rebuild began.
-- KEYS: marker, rebuilding   ARGV: run id, rebuild id
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if run ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. ARGV[2])
redis.call('DEL', KEYS[2])
return 1
