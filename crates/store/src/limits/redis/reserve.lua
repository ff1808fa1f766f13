-- Checks the six limits of one request and counts it, atomically (counters.rs implements the same in Rust).
-- KEYS: requests, messages (sorted sets by time), concurrent (by the end of a lease), budgets (a hash)
-- ARGV: id, now in ms ('0': the server's), enforce, six ceilings ('' = none), message ('' = none), tokens, nano-dollars, lease in ms
local now = tonumber(ARGV[2])
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local id, enforce, message = ARGV[1], ARGV[3] == '1', ARGV[10]
local most = {}
for index = 1, 6 do most[index] = tonumber(ARGV[3 + index]) or false end
local MINUTE, DAY = 60000, 86400000

-- calendar.rs
local function month_of(at)
  local days = math.floor(at / DAY) + 719468
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  return (year + era * 400) * 12 + math.floor((5 * of_year + 2) / 153) + 2
end
local function month_begins(month)
  local shifted = month - 2
  local year = math.floor(shifted / 12)
  local from_march = shifted - year * 12
  local era = math.floor(year / 400)
  local of_era_year = year - era * 400
  local of_year = math.floor((153 * from_march + 2) / 5)
  local of_era = of_era_year * 365 + math.floor(of_era_year / 4) - math.floor(of_era_year / 100) + of_year
  return (era * 146097 + of_era - 719468) * DAY
end

local day, month = math.floor(now / DAY), month_of(now)
local used, wait = {0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}

local function window(index, key, span)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - span)
  used[index] = redis.call('ZCARD', key)
  local over = used[index] - most[index]
  if over >= 0 then
    local oldest = redis.call('ZRANGE', key, over, over, 'WITHSCORES')
    wait[index] = tonumber(oldest[2]) + span - now
  end
end

if most[1] then window(1, KEYS[1], MINUTE) end
local new_message = false
if most[2] then
  window(2, KEYS[2], DAY)
  new_message = message ~= '' and not redis.call('ZSCORE', KEYS[2], message)
  if not new_message then wait[2] = 0 end
end
if most[3] then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
  used[3] = redis.call('ZCARD', KEYS[3])
  if used[3] >= most[3] then wait[3] = 1000 end
end

local sums = redis.call('HMGET', KEYS[4], 'day', 'tokens', 'usd_day', 'month', 'usd_month')
-- A clock that was set back, or a late report after an outage, does not restart an earlier day.
day, month = math.max(day, tonumber(sums[1]) or day), math.max(month, tonumber(sums[4]) or month)
if sums[4] and tonumber(sums[4]) ~= month then
  -- Reservations of last month that were not settled are deleted as well.
  redis.call('DEL', KEYS[4])
  sums = {false, false, false, false, false}
end
if sums[1] and tonumber(sums[1]) ~= day then
  redis.call('HDEL', KEYS[4], 'tokens', 'usd_day')
  sums[2], sums[3] = false, false
end
local tokens, usd = tonumber(ARGV[11]), tonumber(ARGV[12])
if most[4] then tokens = math.min(tokens, most[4]) end
if most[5] then usd = math.min(usd, most[5]) end
if most[6] then usd = math.min(usd, most[6]) end
local function budget(index, sum, more, ends)
  used[index] = tonumber(sum) or 0
  if used[index] + more > most[index] then wait[index] = ends - now end
end
if most[4] then budget(4, sums[2], tokens, (day + 1) * DAY) end
if most[5] then budget(5, sums[3], usd, (day + 1) * DAY) end
if most[6] then budget(6, sums[5], usd, month_begins(month + 1)) end

local counted = true
if enforce then
  for index = 1, 6 do counted = counted and wait[index] == 0 end
end
-- A repeated call with the same id counts once.
if counted and redis.call('HEXISTS', KEYS[4], 'o:' .. id) == 0 then
  if most[1] then
    redis.call('ZADD', KEYS[1], now, id)
    redis.call('PEXPIRE', KEYS[1], 2 * MINUTE)
  end
  if new_message then
    redis.call('ZADD', KEYS[2], now, message)
    redis.call('PEXPIRE', KEYS[2], DAY + MINUTE)
  end
  if most[3] then
    local lease = tonumber(ARGV[13])
    redis.call('ZADD', KEYS[3], now + lease, id)
    redis.call('PEXPIRE', KEYS[3], 2 * lease)
  end
  redis.call('HSET', KEYS[4], 'day', string.format('%.0f', day), 'month', string.format('%.0f', month))
  local t, d, m = '', '', ''
  if most[4] then t = string.format('%.0f', tokens); redis.call('HINCRBY', KEYS[4], 'tokens', t) end
  if most[5] then d = string.format('%.0f', usd); redis.call('HINCRBY', KEYS[4], 'usd_day', d) end
  if most[6] then m = string.format('%.0f', usd); redis.call('HINCRBY', KEYS[4], 'usd_month', m) end
  local open = { string.format('%.0f', day), string.format('%.0f', month), t, d, m, new_message and message or '' }
  redis.call('HSET', KEYS[4], 'o:' .. id, table.concat(open, ':'))
  redis.call('PEXPIRE', KEYS[4], 40 * DAY)
end
local answer = { counted and 1 or 0 }
for index = 1, 6 do
  answer[2 * index] = string.format('%.0f', used[index])
  answer[2 * index + 1] = string.format('%.0f', wait[index])
end
return answer
