local unpack = unpack

local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

local function the_group()
  local groups = redis.pcall('XINFO', 'GROUPS', STREAM)
  if not groups.err then
    for _, group in ipairs(groups) do
      if group[2] == GROUP then return { pending = group[6], last = group[8] } end
    end
  end
end

-- The group stands at 0 before anything is added; a flushed stream or a lost group is made again.
local function ensure_group()
  if the_group() then return end
  redis.call('XGROUP', 'CREATE', STREAM, GROUP, '0', 'MKSTREAM')
  redis.call('HDEL', STATE, 'tail')
end

local function is_mine(consumer, entry, delivery)
  local pending = redis.call('XPENDING', STREAM, GROUP, entry, entry, 1, consumer)[1]
  return pending and tonumber(pending[4]) == tonumber(delivery)
end

-- Acknowledge and delete. Deleting what was not delivered makes the group's lag unknown, and so does deleting the entry that was
-- delivered last while an older one is pending: that one, the tail, is deleted when the group has moved on.
local function settle(entries)
  if #entries == 0 then return end
  redis.call('XACK', STREAM, GROUP, unpack(entries))
  local group, gone = the_group(), {}
  local tail = redis.call('HGET', STATE, 'tail')
  if tail then
    redis.call('HDEL', STATE, 'tail')
    entries[#entries + 1] = tail
  end
  for _, entry in ipairs(entries) do
    if entry == group.last and group.pending > 0 then
      redis.call('HSET', STATE, 'tail', entry)
    else
      gone[#gone + 1] = entry
    end
  end
  if #gone > 0 then redis.call('XDEL', STREAM, unpack(gone)) end
end

local function unfinished()
  return redis.call('XLEN', STREAM) - redis.call('HEXISTS', STATE, 'tail')
end

local function forget(mid)
  redis.call('DEL', MESSAGE .. mid)
  redis.call('ZREM', AGES, mid)
end

local function is_cancelled(run, now)
  local kept = redis.call('ZSCORE', CANCELLED, run)
  return kept and tonumber(kept) > now
end

local function waiting()
  return tonumber(redis.call('HGET', COUNTS, 'ready') or 0)
end

local function ring()
  if waiting() > 0 and redis.call('LLEN', BELL) == 0 then redis.call('LPUSH', BELL, '1') end
end

-- Start-time fair queueing (Goyal, Vin, Cheng 1996): who comes back starts at the virtual time, without credit.
local function push(mid)
  local m = redis.call('HMGET', MESSAGE .. mid, 'owner', 'priority')
  if not m[1] then return end
  local owner, priority = m[1], m[2]
  redis.call('RPUSH', READY .. priority .. ':' .. owner, mid)
  redis.call('HSET', MESSAGE .. mid, 'place', 'ready')
  redis.call('HINCRBY', COUNTS, 'ready', 1)
  if not redis.call('ZSCORE', OWNERS .. priority, owner) then
    local clock = tonumber(redis.call('HGET', CLOCK, priority) or 0)
    local last = tonumber(redis.call('ZSCORE', FINISH .. priority, owner) or 0)
    redis.call('ZADD', OWNERS .. priority, string.format('%.17g', math.max(clock, last)), owner)
    redis.call('ZREM', FINISH .. priority, owner)
  end
end

local function note(mid, now, code, text)
  local history = redis.call('HGET', MESSAGE .. mid, 'history') or ''
  if #history > 32768 then return end
  local attempt = tonumber(redis.call('HGET', MESSAGE .. mid, 'attempt') or 0)
  local line = cjson.encode({ at_ms = now, attempt = attempt, code = code, text = text })
  redis.call('HSET', MESSAGE .. mid, 'history', history .. line .. '\n')
end

-- Everybody who waits for a claimed key is ready again: the first takes the claim, the others find its result or wait anew.
local function wake(key)
  local woken = 0
  for _, mid in ipairs(redis.call('LRANGE', WAITERS .. key, 0, -1)) do
    if redis.call('ZREM', PARKED, mid) == 1 then
      push(mid)
      woken = woken + 1
    end
  end
  redis.call('DEL', WAITERS .. key)
  return woken
end

-- One delivered entry as what the consumer gets, or nothing where it has no business there any more.
local function load_entry(entry, mid, consumer, delivery, now)
  local m = redis.call('HMGET', MESSAGE .. mid, 'message', 'attempt', 'at', 'place', 'run')
  if m[4] ~= entry then
    settle({ entry })
    return nil
  end
  if is_cancelled(m[5], now) then
    settle({ entry })
    forget(mid)
    redis.call('HINCRBY', COUNTS, 'cancelled', 1)
    return nil
  end
  return { entry, delivery, m[2], m[3], delivery > 1 and 1 or 0, m[1] }
end
