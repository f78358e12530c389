-- ARGV: run.epoch, how long to remember it in ms.
redis.call('ZADD', CANCELLED, now_ms() + tonumber(ARGV[2]), ARGV[1])
return 1
