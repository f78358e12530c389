-- ARGV: a new token, life in ms, then task and its value of each. Returns 1, or 0 where no whole view stands: whoever builds one now starts anew.
if redis.call('HEXISTS', VIEW, '') == 0 then
  redis.call('SET', BUILDING, ARGV[1], 'PX', ARGV[2])
  return 0
end
for i = 3, #ARGV, 2 do redis.call('HSET', VIEW, ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', VIEW, ARGV[2])
return 1
