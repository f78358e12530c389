-- ARGV: consumer, entry, delivery, message id, code, text, how many letters are kept. Returns 1, or 0 where it is another's.
local consumer, entry, delivery, mid, code, text, kept = unpack(ARGV)
ensure_group()
if not is_mine(consumer, entry, delivery) then return 0 end
local now = now_ms()
settle({ entry })
if redis.call('HGET', MESSAGE .. mid, 'place') == entry then
  note(mid, now, code, text)
  redis.call('HINCRBY', MESSAGE .. mid, 'attempt', 1)
  redis.call('RENAME', MESSAGE .. mid, LETTER .. mid)
  redis.call('HSET', LETTER .. mid, 'code', code, 'text', text, 'died', now, 'place', 'dead')
  redis.call('ZREM', AGES, mid)
  redis.call('ZADD', DEAD, now, mid)
  redis.call('HINCRBY', COUNTS, 'given_up', 1)
  while redis.call('ZCARD', DEAD) > tonumber(kept) do
    redis.call('DEL', LETTER .. redis.call('ZPOPMIN', DEAD)[1])
    redis.call('HINCRBY', COUNTS, 'letters_dropped', 1)
  end
end
ring()
return 1
