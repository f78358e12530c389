-- ARGV: lease in ms. Returns counters, then the gauges that only this moment knows.
local lease, now, pending, held = tonumber(ARGV[1]), now_ms(), 0, 0
local length = redis.call('XLEN', STREAM)
local groups = redis.pcall('XINFO', 'GROUPS', STREAM)
if not groups.err then
  for _, group in ipairs(groups) do
    if group[2] == GROUP then pending = group[6] end
  end
end
if pending > 0 then
  held = pending - #redis.call('XPENDING', STREAM, GROUP, 'IDLE', lease, '-', '+', pending)
end
local due = redis.call('ZCOUNT', DELAYED, '-inf', now)
local oldest = redis.call('ZRANGE', AGES, 0, 0, 'WITHSCORES')[2]
return {
  redis.call('HGETALL', COUNTS),
  due,
  redis.call('ZCARD', DELAYED) - due,
  length - pending,
  pending,
  held,
  oldest and math.max(0, now - tonumber(oldest)) or 0,
  redis.call('ZCARD', PARKED),
  redis.call('ZCARD', DEAD),
  redis.call('HGET', STATE, 'paused'),
}
