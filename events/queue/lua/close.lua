-- ARGV: epoch, manifest digest, life in ms. Returns the digest that counts.
redis.call('SET', CLOSE .. ARGV[1], ARGV[2], 'NX', 'PX', ARGV[3])
return redis.call('GET', CLOSE .. ARGV[1])
