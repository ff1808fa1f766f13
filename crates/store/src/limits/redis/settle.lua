-- Replaces a request's reservation by its actual use, once, for one subject (counters.rs implements the same in Rust).
-- KEYS: messages, marks, the chat, concurrent, sums, open, pending (as in reserve.lua)
-- ARGV: id, mode, tokens ('' = unknown), nano-dollars ('' = unknown), most reservations, now in ms ('0': the server's)
-- Modes: 'undone', 'failed', 'used', 'pending' (what is unknown may be found later), 'correct' (it was found)
local id, mode = ARGV[1], ARGV[2]
local now = tonumber(ARGV[6])
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local function whole(number) return string.format('%.0f', number) end
local function split(text)
  local parts = {}
  for part in string.gmatch(text .. ':', '([^:]*):') do parts[#parts + 1] = part end
  return parts
end

local from = mode == 'correct' and KEYS[7] or KEYS[6]
if mode ~= 'correct' then redis.call('ZREM', KEYS[4], id) end
local held = redis.call('HGET', from, id)
if not held then return 0 end
redis.call('HDEL', from, id)
local day, month, tokens, usd_day, usd_month, mark, chat, joined = unpack(split(held))
local took_tokens, took_usd = ARGV[3], ARGV[4]

-- The part in a message.
if mark and mark ~= '' then
  if chat ~= '' and redis.call('HGET', KEYS[3], 'mark') == mark then
    local running = math.max(0, tonumber(redis.call('HGET', KEYS[3], 'running')) - 1)
    redis.call('HSET', KEYS[3], 'running', whole(running), 'ended', whole(now))
    if running == 0 then redis.call('PEXPIRE', KEYS[3], 60000) end
  end
  local counted = (mode == 'undone' or mode == 'failed') and redis.call('HGET', KEYS[2], mark)
  if counted then
    counted = split(counted)
    local requests = math.max(0, tonumber(counted[2]) - 1)
    if requests == 0 then
      redis.call('HDEL', KEYS[2], mark)
      redis.call('ZREM', KEYS[1], mark)
    else
      local others = whole(math.max(0, tonumber(counted[3]) - tonumber(joined)))
      redis.call('HSET', KEYS[2], mark, table.concat({ counted[1], whole(requests), others }, ':'))
    end
  end
end

-- Exchanges estimates for the use in the sum of a period, if it is still known.
local function exchange(kind, period, reserved_tokens, reserved_usd)
  for _, field in ipairs({ kind, kind .. '_before' }) do
    local sum = redis.call('HGET', KEYS[5], field)
    local parts = sum and split(sum)
    if parts and parts[1] == period then
      local function take(at, reserved, took)
        if reserved ~= '' and took ~= '' then
          parts[at] = whole(math.max(0, tonumber(parts[at]) + tonumber(took) - tonumber(reserved)))
        end
      end
      take(2, reserved_tokens, took_tokens)
      take(3, reserved_usd, took_usd)
      redis.call('HSET', KEYS[5], field, table.concat(parts, ':'))
      return true
    end
  end
  return false
end
exchange('day', day, tokens, usd_day)
local is_known = exchange('month', month, '', usd_month)
if mode == 'pending' and is_known then
  if took_tokens ~= '' then tokens = '' end
  if took_usd ~= '' then usd_day, usd_month = '', '' end
  if tokens .. usd_day .. usd_month ~= '' and redis.call('HLEN', KEYS[7]) < tonumber(ARGV[5]) then
    redis.call('HSET', KEYS[7], id, table.concat({ day, month, tokens, usd_day, usd_month }, ':'))
    redis.call('PEXPIRE', KEYS[7], 70 * 86400000)
  end
end
return 1
