-- ARGV: key, token, lease in ms. Returns 1, or 0 while another's lease runs.
local key, token, lease, now = ARGV[1], ARGV[2], tonumber(ARGV[3]), now_ms()
local until_ms = redis.call('ZSCORE', LEASES, key)
if until_ms and tonumber(until_ms) > now then return 0 end
redis.call('ZADD', LEASES, now + lease, key)
redis.call('HSET', HOLDERS, key, token)
return 1
