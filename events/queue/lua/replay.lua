-- ARGV: the mark's life in ms, then ids. Returns how many were put back in line; one that is in the queue anyway only leaves the list.
local life, now, back = ARGV[1], now_ms(), 0
for i = 2, #ARGV do
  local mid = ARGV[i]
  if redis.call('ZREM', DEAD, mid) == 1 then
    if redis.call('EXISTS', MESSAGE .. mid) == 1 then
      redis.call('DEL', LETTER .. mid)
    elseif redis.call('EXISTS', LETTER .. mid) == 1 then
      redis.call('RENAME', LETTER .. mid, MESSAGE .. mid)
      redis.call('HDEL', MESSAGE .. mid, 'code', 'text', 'died')
      redis.call('HSET', MESSAGE .. mid, 'attempt', '0', 'at', now)
      redis.call('SET', MARK .. mid, '1', 'PX', life)
      redis.call('ZADD', AGES, now, mid)
      redis.call('HINCRBY', COUNTS, 'replayed', 1)
      push(mid)
      back = back + 1
    end
  end
end
ring()
return back
