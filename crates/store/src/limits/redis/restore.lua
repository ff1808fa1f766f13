-- Raises the sums of a day and a month to what the ledger knows (counters.rs implements the same in Rust).
-- KEYS: sums
-- ARGV: day, tokens, nano-dollars of the day, month, nano-dollars of the month
local function whole(number) return string.format('%.0f', number) end
local function split(text)
  local parts = {}
  for part in string.gmatch(text .. ':', '([^:]*):') do parts[#parts + 1] = part end
  return parts
end
local function restore(kind, period, tokens, usd)
  for _, field in ipairs({ kind, kind .. '_before' }) do
    local sum = redis.call('HGET', KEYS[1], field)
    if not sum and field == kind then sum = period .. ':0:0' end
    local parts = sum and split(sum)
    if parts and parts[1] == period then
      parts[2] = whole(math.max(tonumber(parts[2]), tonumber(tokens)))
      parts[3] = whole(math.max(tonumber(parts[3]), tonumber(usd)))
      redis.call('HSET', KEYS[1], field, table.concat(parts, ':'))
      return
    end
  end
end
restore('day', ARGV[1], ARGV[2], ARGV[3])
restore('month', ARGV[4], '0', ARGV[5])
redis.call('PEXPIRE', KEYS[1], 70 * 86400000)
return 1
