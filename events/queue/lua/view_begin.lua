-- ARGV: a new token, life in ms. Returns the token under which a view may be built now.
redis.call('SET', BUILDING, ARGV[1], 'NX', 'PX', ARGV[2])
return redis.call('GET', BUILDING)
