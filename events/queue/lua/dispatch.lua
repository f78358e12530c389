-- ARGV: capacity, batch, tokens a second (0: no limit), burst, idle consumers' life in ms.
-- Returns moved, due, woken, dropped, ready left, ms until something may happen by itself (-1: nothing will).
local capacity, batch, per_s, burst, idle_ms =
  tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now, TIDY_MS, LEAST_COST = now_ms(), 60000, 0.001
local moved, woken, dropped = 0, 0, 0
ensure_group()

for _, key in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, batch)) do
  redis.call('ZREM', LEASES, key)
  redis.call('HDEL', HOLDERS, key)
  woken = woken + wake(key)
end

local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', now, 'LIMIT', 0, batch)
for _, mid in ipairs(due) do
  redis.call('ZREM', DELAYED, mid)
  push(mid)
end

if now - tonumber(redis.call('HGET', STATE, 'tidied') or 0) >= TIDY_MS then
  redis.call('HSET', STATE, 'tidied', now)
  redis.call('ZREMRANGEBYSCORE', CANCELLED, '-inf', now)
  for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', STREAM, GROUP)) do
    if tonumber(c[4]) == 0 and tonumber(c[6]) > idle_ms then
      redis.call('XGROUP', 'DELCONSUMER', STREAM, GROUP, c[2])
    end
  end
end

local tokens = math.huge
if per_s > 0 then
  local s = redis.call('HMGET', STATE, 'tokens', 'tokens_at')
  tokens = burst
  if s[1] then
    tokens = math.min(burst, tonumber(s[1]) + math.max(0, now - tonumber(s[2])) * per_s / 1000)
  end
end

local function send(mid, owner, start)
  local m = redis.call('HMGET', MESSAGE .. mid, 'run', 'cost', 'place')
  if m[3] ~= 'ready' then return start end
  if is_cancelled(m[1], now) then
    forget(mid)
    redis.call('HINCRBY', COUNTS, 'cancelled', 1)
    dropped = dropped + 1
    return start
  end
  local entry = redis.call('XADD', STREAM, '*', 'id', mid)
  redis.call('HSET', MESSAGE .. mid, 'place', entry)
  moved = moved + 1
  return start + math.max(tonumber(m[2]), LEAST_COST)
end

local room = 0
if redis.call('HEXISTS', STATE, 'paused') == 0 then
  room = math.min(2 * capacity - unfinished(), batch, math.floor(tokens))
end
local steps, empty = 4 * batch, true
local all_owners, all_finish = {}, {}
for priority = 0, 9 do
  all_owners[#all_owners + 1] = OWNERS .. priority
  all_finish[#all_finish + 1] = FINISH .. priority
end
-- Most looks find nobody in line: that costs three commands and not forty.
local first = 9
if redis.call('EXISTS', unpack(all_owners)) == 0 then
  redis.call('DEL', CLOCK, unpack(all_finish))
  first = -1
end
for priority = first, 0, -1 do
  local owners, last = OWNERS .. priority, nil
  while moved < room and steps > 0 do
    local head = redis.call('ZRANGE', owners, 0, 0, 'WITHSCORES')
    if not head[1] then break end
    steps = steps - 1
    local owner, start = head[1], tonumber(head[2])
    local line, before, finish = READY .. priority .. ':' .. owner, moved, start
    local mid = redis.call('LPOP', line)
    if mid then
      redis.call('HINCRBY', COUNTS, 'ready', -1)
      finish = send(mid, owner, start)
      if moved > before then last = start end
    end
    local tag = string.format('%.17g', finish)
    if redis.call('EXISTS', line) == 0 then
      redis.call('ZREM', owners, owner)
      redis.call('ZADD', FINISH .. priority, tag, owner)
    else
      redis.call('ZADD', owners, tag, owner)
    end
  end
  if last then
    local tag = string.format('%.17g', last)
    redis.call('HSET', CLOCK, priority, tag)
    redis.call('ZREMRANGEBYSCORE', FINISH .. priority, '-inf', tag)
  end
  if redis.call('EXISTS', owners) == 0 then
    redis.call('DEL', FINISH .. priority)
    redis.call('HDEL', CLOCK, priority)
  else
    empty = false
  end
end
if empty and waiting() ~= 0 then redis.call('HDEL', COUNTS, 'ready') end
if per_s > 0 then
  redis.call('HSET', STATE, 'tokens', string.format('%.17g', tokens - moved), 'tokens_at', now)
end

local soon = -1
local function sooner(ms)
  if soon < 0 or ms < soon then soon = math.max(0, math.ceil(ms)) end
end
local next_due = redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2]
if next_due then sooner(tonumber(next_due) - now) end
local next_lease = redis.call('ZRANGE', LEASES, 0, 0, 'WITHSCORES')[2]
if next_lease then sooner(tonumber(next_lease) - now) end
local left = waiting()
if left > 0 and per_s > 0 and tokens - moved < 1 then sooner((1 - tokens + moved) * 1000 / per_s) end
return { moved, #due, woken, dropped, left, soon }
