-- ARGV: token, life in ms, then task and its value of each. Returns 1, or 0 where a view stands or something changed since the token.
if redis.call('EXISTS', VIEW) == 1 or redis.call('GET', BUILDING) ~= ARGV[1] then return 0 end
redis.call('HSET', VIEW, '', '1')
for i = 3, #ARGV, 2 do redis.call('HSET', VIEW, ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', VIEW, ARGV[2])
return 1
