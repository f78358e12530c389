-- ARGV: key, token. Returns how many waiters are ready again, or -1 where the claim was lost before.
if redis.call('HGET', HOLDERS, ARGV[1]) ~= ARGV[2] then return -1 end
redis.call('HDEL', HOLDERS, ARGV[1])
redis.call('ZREM', LEASES, ARGV[1])
local woken = wake(ARGV[1])
ring()
return woken
