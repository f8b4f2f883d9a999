-- The id of this server process.
return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
