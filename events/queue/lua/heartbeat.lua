-- ARGV: consumer, then entry, delivery and run of each. Returns 0 where it is another's, 2 where the run was cancelled, else 1.
local consumer, now, told = ARGV[1], now_ms(), {}
ensure_group()
for i = 2, #ARGV, 3 do
  local entry, delivery, run = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local state = 0
  if is_mine(consumer, entry, delivery) then
    redis.call('XCLAIM', STREAM, GROUP, consumer, 0, entry, 'JUSTID')
    state = is_cancelled(run, now) and 2 or 1
  end
  told[#told + 1] = state
end
return told
