-- Checks the six limits of one request for each of its subjects and counts it for all of them, or for none, atomically
-- (counters.rs implements the same in Rust).
-- KEYS: eight of each subject: requests, messages (sorted sets by time), marks (a hash), the chat (a hash), concurrent (by
--   the end of a lease), sums, open, pending (hashes); then the mark of a request that is told afterwards, and the run
--   whose budgets are rebuilt
-- ARGV: id, now in ms ('0': the server's), enforce, mark ('' = no message), named, chat ('' = none), tokens, nano-dollars,
--   lease in ms, the number of the first day, four starts of days, the number of the first month, four starts of months,
--   the run of the server ('' = not checked), the seconds in which a request may be told again ('' = it is not told
--   afterwards), then six ceilings of each subject ('' = none)
-- Returns nothing if the budgets of the run are not rebuilt, or if the request was told before.
if ARGV[20] ~= '' and redis.call('GET', KEYS[#KEYS]) ~= ARGV[20] then return {} end
if ARGV[21] ~= '' and not redis.call('SET', KEYS[#KEYS - 1], '1', 'NX', 'EX', ARGV[21]) then return {} end
local now = tonumber(ARGV[2])
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local id, enforce, mark, named, chat = ARGV[1], ARGV[3] == '1', ARGV[4], ARGV[5] == '1', ARGV[6]
local lease = tonumber(ARGV[9])
local MINUTE, DAY, OPEN, JOINED, KEPT = 60000, 86400000, 20000, 5, 70 * 86400000
local function whole(number) return string.format('%.0f', number) end

-- calendar.rs
local function period(at)
  if now < tonumber(ARGV[at + 1]) or now >= tonumber(ARGV[at + 4]) then return nil end
  for place = 0, 2 do
    if now < tonumber(ARGV[at + 2 + place]) then return tonumber(ARGV[at]) + place, tonumber(ARGV[at + 2 + place]) end
  end
end
local day, next_day = period(10)
local month, next_month = period(15)
if not day or not month then return redis.error_reply('ERR callsign: the clocks of callsign and Redis differ by a day') end

local function split(text)
  local parts = {}
  for part in string.gmatch(text .. ':', '([^:]*):') do parts[#parts + 1] = part end
  return parts
end

-- Makes a period the running one, and keeps the one before.
local function turn(keys, kind, period)
  local sum = redis.call('HMGET', keys[6], kind, kind .. '_before')
  local running = sum[1] and split(sum[1])
  if running and tonumber(running[1]) == period then return tonumber(running[2]), tonumber(running[3]) end
  local before = sum[2] and split(sum[2])
  local fresh = (before and tonumber(before[1]) == period) and sum[2] or whole(period) .. ':0:0'
  redis.call('HSET', keys[6], kind, fresh)
  if running then redis.call('HSET', keys[6], kind .. '_before', sum[1]) end
  if kind == 'month' then
    local kept = { [period] = true }
    if running then kept[tonumber(running[1])] = true end
    local pending = redis.call('HGETALL', keys[8])
    for at = 1, #pending, 2 do
      if not kept[tonumber(split(pending[at + 1])[2])] then redis.call('HDEL', keys[8], pending[at]) end
    end
  end
  redis.call('PEXPIRE', keys[6], KEPT)
  fresh = split(fresh)
  return tonumber(fresh[2]), tonumber(fresh[3])
end

-- Returns the message that the request repeats or joins, and true if it joins it.
local function known(keys)
  if redis.call('HEXISTS', keys[3], mark) == 1 then return mark, false end
  if named or chat == '' then return nil, false end
  local open = redis.call('HMGET', keys[4], 'mark', 'running', 'ended')
  if not open[1] then return nil, false end
  if tonumber(open[2]) == 0 and tonumber(open[3]) < now - OPEN then return nil, false end
  local counted = redis.call('HGET', keys[3], open[1])
  if counted and tonumber(split(counted)[3]) < JOINED then return open[1], true end
  return nil, false
end

local function standing(subject)
  local keys, most = {}, {}
  for at = 1, 8 do keys[at] = KEYS[8 * subject + at] end
  for index = 1, 6 do most[index] = tonumber(ARGV[21 + 6 * subject + index]) or false end
  local used, wait = {0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}
  local function window(index, key, span)
    used[index] = redis.call('ZCARD', key)
    local over = used[index] - most[index]
    if over >= 0 then
      local oldest = redis.call('ZRANGE', key, over, over, 'WITHSCORES')
      wait[index] = tonumber(oldest[2]) + span - now
    end
  end
  redis.call('ZREMRANGEBYSCORE', keys[1], '-inf', now - MINUTE)
  local old = redis.call('ZRANGEBYSCORE', keys[2], '-inf', now - DAY)
  for at = 1, #old do redis.call('HDEL', keys[3], old[at]) end
  if #old > 0 then redis.call('ZREMRANGEBYSCORE', keys[2], '-inf', now - DAY) end
  if most[1] then window(1, keys[1], MINUTE) end
  local of, joined = nil, false
  if most[2] then
    window(2, keys[2], DAY)
    if mark ~= '' then of, joined = known(keys) end
    if mark == '' or of then wait[2] = 0 end
  end
  if most[3] then
    redis.call('ZREMRANGEBYSCORE', keys[5], '-inf', now)
    used[3] = redis.call('ZCARD', keys[5])
    if used[3] >= most[3] then wait[3] = 1000 end
  end
  local day_tokens, day_usd = turn(keys, 'day', day)
  local _, month_usd = turn(keys, 'month', month)
  local tokens, usd = tonumber(ARGV[7]), tonumber(ARGV[8])
  if most[4] then tokens = math.min(tokens, most[4]) end
  if most[5] then usd = math.min(usd, most[5]) end
  if most[6] then usd = math.min(usd, most[6]) end
  local function budget(index, sum, more, ends)
    if not most[index] then return end
    used[index] = sum
    if sum + more > most[index] then wait[index] = ends - now end
  end
  budget(4, day_tokens, tokens, next_day)
  budget(5, day_usd, usd, next_day)
  budget(6, month_usd, usd, next_month)
  local fits = true
  for index = 1, 6 do fits = fits and wait[index] == 0 end
  return { keys = keys, most = most, used = used, wait = wait, of = of, joined = joined, tokens = tokens, usd = usd,
    day_tokens = day_tokens, day_usd = day_usd, month_usd = month_usd, fits = fits }
end

local function count(subject)
  local keys, most = subject.keys, subject.most
  -- A repeated call with the same id counts once.
  if redis.call('HEXISTS', keys[7], id) == 1 then return end
  if most[1] then
    redis.call('ZADD', keys[1], now, id)
    redis.call('PEXPIRE', keys[1], 2 * MINUTE)
  end
  local part = '::0'
  if most[2] and mark ~= '' then
    local of = subject.of or mark
    local counted = split(redis.call('HGET', keys[3], of) or (whole(now) .. ':0:0'))
    if not subject.of then
      redis.call('ZADD', keys[2], now, of)
      redis.call('PEXPIRE', keys[2], DAY + MINUTE)
    end
    local joined = subject.joined and 1 or 0
    redis.call('HSET', keys[3], of, counted[1] .. ':' .. whole(counted[2] + 1) .. ':' .. whole(counted[3] + joined))
    redis.call('PEXPIRE', keys[3], DAY + MINUTE)
    if chat ~= '' then
      if redis.call('HGET', keys[4], 'mark') ~= of then
        redis.call('HSET', keys[4], 'mark', of, 'running', '0', 'ended', whole(now))
      end
      redis.call('HINCRBY', keys[4], 'running', 1)
      redis.call('PEXPIRE', keys[4], DAY)
    end
    part = of .. ':' .. chat .. ':' .. joined
  end
  if most[3] then
    redis.call('ZADD', keys[5], now + lease, id)
    redis.call('PEXPIRE', keys[5], 2 * lease)
  end
  local t, d, m = '', '', ''
  if most[4] then t = whole(subject.tokens) end
  if most[5] then d = whole(subject.usd) end
  if most[6] then m = whole(subject.usd) end
  local sum = function(before, more) return whole(before + (tonumber(more) or 0)) end
  redis.call('HSET', keys[6], 'day', table.concat({ whole(day), sum(subject.day_tokens, t), sum(subject.day_usd, d) }, ':'))
  redis.call('HSET', keys[6], 'month', table.concat({ whole(month), '0', sum(subject.month_usd, m) }, ':'))
  redis.call('PEXPIRE', keys[6], KEPT)
  redis.call('HSET', keys[7], id, table.concat({ whole(day), whole(month), t, d, m, part }, ':'))
  redis.call('PEXPIRE', keys[7], 2 * DAY)
end

local subjects, counted = {}, true
for number = 1, math.floor(#KEYS / 8) do
  subjects[number] = standing(number - 1)
  counted = counted and (subjects[number].fits or not enforce)
end
local answer = { counted and 1 or 0 }
for number = 1, #subjects do
  if counted then count(subjects[number]) end
  for index = 1, 6 do
    answer[#answer + 1] = whole(subjects[number].used[index])
    answer[#answer + 1] = whole(subjects[number].wait[index])
  end
end
return answer
