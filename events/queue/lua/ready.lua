-- ARGV: override, mark's life in ms, then for each message: id, run, owner, priority, cost, attempt, message. Returns 1 where it is new.
local override, life, now, new = ARGV[1] == '1', ARGV[2], now_ms(), {}

local function in_line(mid, owner, priority)
  return redis.call('LPOS', READY .. priority .. ':' .. owner, mid)
end

-- Whether the message is truly where it says it is; what only a lost part of the queue held is not.
local function lives(mid)
  local m = redis.call('HMGET', MESSAGE .. mid, 'place', 'owner', 'priority', 'claim')
  local place = m[1]
  if not place then return false end
  if not override then return true end
  if place == 'ready' then return in_line(mid, m[2], m[3]) end
  if place == 'delayed' then return redis.call('ZSCORE', DELAYED, mid) end
  if place == 'parked' then
    if redis.call('ZSCORE', PARKED, mid) and redis.call('ZSCORE', LEASES, m[4]) then return true end
    redis.call('ZREM', PARKED, mid)
    redis.call('LREM', WAITERS .. m[4], 0, mid)
    return false
  end
  return redis.call('XRANGE', STREAM, place, place)[1]
end

for i = 3, #ARGV, 7 do
  local mid, run, owner, priority, cost, attempt, message = unpack(ARGV, i, i + 6)
  local marked
  if override then
    marked = redis.call('SET', MARK .. mid, '1', 'PX', life)
  else
    marked = redis.call('SET', MARK .. mid, '1', 'NX', 'PX', life)
  end
  if marked and not lives(mid) then
    redis.call('DEL', MESSAGE .. mid)
    redis.call('HSET', MESSAGE .. mid, 'run', run, 'owner', owner, 'priority', priority, 'cost', cost,
      'attempt', attempt, 'at', now, 'message', message)
    redis.call('ZADD', AGES, now, mid)
    redis.call('HINCRBY', COUNTS, 'enqueued', 1)
    push(mid)
    new[#new + 1] = 1
  else
    new[#new + 1] = 0
  end
end
ring()
return new
