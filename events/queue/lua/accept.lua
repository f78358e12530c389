-- ARGV: consumer, then entry and message id of each that a blocking read gave. Returns entries; a pause sends them back to the line.
local consumer, now, got = ARGV[1], now_ms(), {}
ensure_group()
local paused = redis.call('HEXISTS', STATE, 'paused') == 1
for i = 2, #ARGV, 2 do
  local entry, mid = ARGV[i], ARGV[i + 1]
  if is_mine(consumer, entry, 1) then
    local loaded = load_entry(entry, mid, consumer, 1, now)
    if loaded and paused then
      settle({ entry })
      push(mid)
    else
      got[#got + 1] = loaded
    end
  end
end
return got
