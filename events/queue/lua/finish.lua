-- ARGV: consumer, then entry, delivery and message id of each. Returns 1 where it was finished, 0 where it is another's.
local consumer, told, done, seen = ARGV[1], {}, {}, {}
ensure_group()
for i = 2, #ARGV, 3 do
  local entry, delivery, mid = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if not seen[entry] and is_mine(consumer, entry, delivery) then
    seen[entry] = true
    done[#done + 1] = entry
    if redis.call('HGET', MESSAGE .. mid, 'place') == entry then forget(mid) end
    told[#told + 1] = 1
  else
    told[#told + 1] = 0
  end
end
local count = #done
if count > 0 then
  settle(done)
  redis.call('HINCRBY', COUNTS, 'finished', count)
  ring()
end
return told
