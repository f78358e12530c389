-- ARGV: 'page', offset, count — the newest first — or 'named' and ids. Returns id, message, attempts, first ready, died, code, text, history.
local ids = {}
if ARGV[1] == 'page' then
  local from = tonumber(ARGV[2])
  ids = redis.call('ZREVRANGE', DEAD, from, from + tonumber(ARGV[3]) - 1)
else
  for i = 2, #ARGV do ids[#ids + 1] = ARGV[i] end
end
local letters = {}
for _, mid in ipairs(ids) do
  local l = redis.call('HMGET', LETTER .. mid, 'message', 'attempt', 'at', 'died', 'code', 'text', 'history')
  if l[1] then letters[#letters + 1] = { mid, l[1], l[2], l[3], l[4], l[5], l[6], l[7] or '' } end
end
return letters
