-- Replaces a request's reservation by its actual use, once (counters.rs implements the same in Rust).
-- KEYS: as in reserve.lua
-- ARGV: id, mode, tokens ('' = unknown), nano-dollars ('' = unknown), most reservations
-- Modes: 'undone', 'used', 'pending' (what is unknown may be found later), 'correct' (it was found)
local id, mode = ARGV[1], ARGV[2]
local field = (mode == 'correct' and 'p:' or 'o:') .. id
if mode ~= 'correct' then redis.call('ZREM', KEYS[3], id) end
local open = redis.call('HGET', KEYS[4], field)
if not open then return 0 end
redis.call('HDEL', KEYS[4], field)
local day, month, tokens, usd_day, usd_month, message = string.match(open, '^(%d+):(%d+):(%d*):(%d*):(%d*):(%x*)$')
local took_tokens, took_usd = ARGV[3], ARGV[4]
if mode == 'undone' then
  redis.call('ZREM', KEYS[1], id)
  if message ~= '' then redis.call('ZREM', KEYS[2], message) end
  took_tokens, took_usd = '0', '0'
end
local function exchange(sum, reserved, took)
  if reserved ~= '' and took ~= '' then
    redis.call('HINCRBY', KEYS[4], sum, string.format('%.0f', tonumber(took) - tonumber(reserved)))
  end
end
if redis.call('HGET', KEYS[4], 'day') == day then
  exchange('tokens', tokens, took_tokens)
  exchange('usd_day', usd_day, took_usd)
end
if redis.call('HGET', KEYS[4], 'month') ~= month then return 1 end
exchange('usd_month', usd_month, took_usd)
if mode == 'pending' then
  if took_tokens ~= '' then tokens = '' end
  if took_usd ~= '' then usd_day, usd_month = '', '' end
  if tokens .. usd_day .. usd_month ~= '' and redis.call('HLEN', KEYS[4]) < tonumber(ARGV[5]) then
    redis.call('HSET', KEYS[4], 'p:' .. id, table.concat({ day, month, tokens, usd_day, usd_month, '' }, ':'))
  end
end
return 1
