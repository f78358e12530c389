-- ARGV: consumer, entry, delivery, message id, delay in ms, whether it counts as an attempt, code, text. Returns 1, or 0 where it is another's.
local consumer, entry, delivery, mid, delay, counted, code, text = unpack(ARGV)
ensure_group()
if not is_mine(consumer, entry, delivery) then return 0 end
settle({ entry })
if redis.call('HGET', MESSAGE .. mid, 'place') == entry then
  local now = now_ms()
  if counted == '1' then
    if code ~= '' then note(mid, now, code, text) end
    redis.call('HINCRBY', MESSAGE .. mid, 'attempt', 1)
    redis.call('HINCRBY', COUNTS, 'retried', 1)
  end
  if tonumber(delay) <= 0 then
    push(mid)
  else
    redis.call('HSET', MESSAGE .. mid, 'place', 'delayed')
    redis.call('ZADD', DELAYED, now + tonumber(delay), mid)
  end
end
ring()
return 1
