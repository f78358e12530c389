-- ARGV: the reason, or nothing to go on.
if ARGV[1] then
  redis.call('HSET', STATE, 'paused', ARGV[1], 'paused_at', now_ms())
else
  redis.call('HDEL', STATE, 'paused', 'paused_at')
  ring()
end
return 1
