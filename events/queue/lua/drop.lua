-- ARGV: ids of dead letters. Returns how many were there.
local dropped = 0
for _, mid in ipairs(ARGV) do
  redis.call('DEL', LETTER .. mid)
  dropped = dropped + redis.call('ZREM', DEAD, mid)
end
redis.call('HINCRBY', COUNTS, 'letters_dropped', dropped)
return dropped
