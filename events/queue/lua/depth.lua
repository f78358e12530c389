-- ARGV: lease in ms. Returns counters, then the gauges that only this moment knows.
local lease, now, pending, held = tonumber(ARGV[1]), now_ms(), 0, 0
local group = the_group()
if group then pending = group.pending end
if pending > 0 then
  held = pending - #redis.call('XPENDING', STREAM, GROUP, 'IDLE', lease, '-', '+', pending)
end
local due = redis.call('ZCOUNT', DELAYED, '-inf', now)
local oldest = redis.call('ZRANGE', AGES, 0, 0, 'WITHSCORES')[2]
return {
  redis.call('HGETALL', COUNTS),
  due,
  redis.call('ZCARD', DELAYED) - due,
  unfinished() - pending,
  pending,
  held,
  oldest and math.max(0, now - tonumber(oldest)) or 0,
  redis.call('ZCARD', PARKED),
  redis.call('ZCARD', DEAD),
  redis.call('HGET', STATE, 'paused'),
}
