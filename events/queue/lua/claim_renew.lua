-- ARGV: lease in ms, then key and token of each. Returns 1 where it is still held, 0 where it was lost.
local lease, now, told = tonumber(ARGV[1]), now_ms(), {}
for i = 2, #ARGV, 2 do
  if redis.call('HGET', HOLDERS, ARGV[i]) == ARGV[i + 1] then
    redis.call('ZADD', LEASES, now + lease, ARGV[i])
    told[#told + 1] = 1
  else
    told[#told + 1] = 0
  end
end
return told
