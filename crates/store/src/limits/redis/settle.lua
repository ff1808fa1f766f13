-- Replaces a request's reservation by its actual use, once (counters.rs implements the same in Rust).
-- KEYS: as in reserve.lua
-- ARGV: id, undone ('1'), tokens ('' = unknown), nano-dollars ('' = unknown)
local id, undone = ARGV[1], ARGV[2] == '1'
redis.call('ZREM', KEYS[3], id)
local open = redis.call('HGET', KEYS[4], 'o:' .. id)
if not open then return 0 end
redis.call('HDEL', KEYS[4], 'o:' .. id)
local day, month, tokens, usd_day, usd_month, message = string.match(open, '^(%d+):(%d+):(%d*):(%d*):(%d*):(%x*)$')
local took_tokens, took_usd = ARGV[3], ARGV[4]
if undone then
  redis.call('ZREM', KEYS[1], id)
  if message ~= '' then redis.call('ZREM', KEYS[2], message) end
  took_tokens, took_usd = '0', '0'
end
local function exchange(field, reserved, took)
  if reserved ~= '' and took ~= '' then
    redis.call('HINCRBY', KEYS[4], field, string.format('%.0f', tonumber(took) - tonumber(reserved)))
  end
end
if redis.call('HGET', KEYS[4], 'day') == day then
  exchange('tokens', tokens, took_tokens)
  exchange('usd_day', usd_day, took_usd)
end
if redis.call('HGET', KEYS[4], 'month') == month then
  exchange('usd_month', usd_month, took_usd)
end
return 1
