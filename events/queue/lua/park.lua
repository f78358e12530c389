-- ARGV: consumer, entry, delivery, message id, claimed key. Returns 1 parked, 0 ready again because the key is free, -1 it is another's.
local consumer, entry, delivery, mid, key = unpack(ARGV)
ensure_group()
if not is_mine(consumer, entry, delivery) then return -1 end
local now = now_ms()
settle({ entry })
if redis.call('HGET', MESSAGE .. mid, 'place') ~= entry then return 0 end
local lease = redis.call('ZSCORE', LEASES, key)
if lease and tonumber(lease) > now then
  redis.call('HSET', MESSAGE .. mid, 'place', 'parked', 'claim', key)
  redis.call('ZADD', PARKED, now, mid)
  redis.call('RPUSH', WAITERS .. key, mid)
  ring()
  return 1
end
push(mid)
ring()
return 0
