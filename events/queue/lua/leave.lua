-- ARGV: consumer. Forgets it; returns 1, or 0 while entries are still its own.
ensure_group()
for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', STREAM, GROUP)) do
  if c[2] == ARGV[1] then
    if tonumber(c[4]) > 0 then return 0 end
    redis.call('XGROUP', 'DELCONSUMER', STREAM, GROUP, c[2])
  end
end
return 1
