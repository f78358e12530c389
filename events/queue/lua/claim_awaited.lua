-- ARGV: key. Returns how many wait for its claim.
return redis.call('LLEN', WAITERS .. ARGV[1])
