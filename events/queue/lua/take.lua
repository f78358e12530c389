-- ARGV: consumer, count, lease in ms. Returns entries: lost ones of others first, then new ones.
local consumer, count, lease, now, got = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), now_ms(), {}
if redis.call('HEXISTS', STATE, 'paused') == 1 then return got end
ensure_group()

local function over(entry, mid)
  local delivery = tonumber(redis.call('XPENDING', STREAM, GROUP, entry, entry, 1)[1][4])
  local loaded = load_entry(entry, mid, consumer, delivery, now)
  if not loaded then return end
  note(mid, now, 'LeaseLost', 'who had it neither finished it nor said that it was still at it')
  loaded[3] = redis.call('HINCRBY', MESSAGE .. mid, 'attempt', 1)
  redis.call('HINCRBY', COUNTS, 'taken_over', 1)
  got[#got + 1] = loaded
end

-- Looking through all that is pending costs; ten times a lease is often enough.
if now - tonumber(redis.call('HGET', STATE, 'swept') or 0) >= lease / 10 then
  local cursor = '0-0'
  repeat
    local lost = redis.call('XAUTOCLAIM', STREAM, GROUP, consumer, lease, cursor, 'COUNT', count - #got)
    cursor = lost[1]
    for _, e in ipairs(lost[2]) do over(e[1], e[2][2]) end
  until cursor == '0-0' or #got >= count
  if cursor == '0-0' then redis.call('HSET', STATE, 'swept', now) end
end

if #got < count then
  local read = redis.call('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', count - #got, 'STREAMS', STREAM, '>')
  for _, e in ipairs(read and read[1][2] or {}) do
    got[#got + 1] = load_entry(e[1], e[2][2], consumer, 1, now)
  end
end
return got
