-- ARGV: a new token, life in ms.
redis.call('DEL', VIEW)
redis.call('SET', BUILDING, ARGV[1], 'PX', ARGV[2])
return 1
