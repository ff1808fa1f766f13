-- Replaces the estimates of a running request for all its subjects, or for none if it does not fit the budgets of one of
-- them (counters.rs implements the same in Rust).
-- KEYS: sums and open of each subject (as in reserve.lua)
-- ARGV: id, now in ms ('0': the server's), enforce, tokens, nano-dollars, the start of the next day, the start of the next
--   month, then six ceilings of each subject ('' = none)
local id, enforce = ARGV[1], ARGV[3] == '1'
local now = tonumber(ARGV[2])
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

-- Returns the field and the parts of the sum of a period.
local function sum_of(key, kind, period)
  for _, field in ipairs({ kind, kind .. '_before' }) do
    local sum = redis.call('HGET', key, field)
    local parts = sum and split(sum)
    if parts and parts[1] == period then return field, parts end
  end
end

local function standing(number)
  local found = { sums = KEYS[2 * number + 1], open = KEYS[2 * number + 2], used = {0, 0, 0, 0, 0, 0}, wait = {0, 0, 0, 0, 0, 0}, fits = true }
  local most = {}
  for index = 1, 6 do most[index] = tonumber(ARGV[7 + 6 * number + index]) or false end
  found.held = redis.call('HGET', found.open, id)
  if not found.held then return found end
  found.held = split(found.held)
  local tokens, usd = tonumber(ARGV[4]), tonumber(ARGV[5])
  if most[4] then tokens = math.min(tokens, most[4]) end
  if most[5] then usd = math.min(usd, most[5]) end
  if most[6] then usd = math.min(usd, most[6]) end
  found.needs = { whole(tokens), whole(usd), whole(usd) }
  found.day_field, found.day = sum_of(found.sums, 'day', found.held[1])
  found.month_field, found.month = sum_of(found.sums, 'month', found.held[2])
  local function budget(index, sum, held, needs, ends)
    if held == '' then return end
    local others = (sum or 0) - tonumber(held)
    found.used[index] = others
    if needs > tonumber(held) and others + needs > most[index] then
      found.wait[index] = ends - now
      found.fits = false
    end
  end
  budget(4, found.day and tonumber(found.day[2]), found.held[3], tokens, tonumber(ARGV[6]))
  budget(5, found.day and tonumber(found.day[3]), found.held[4], usd, tonumber(ARGV[6]))
  budget(6, found.month and tonumber(found.month[3]), found.held[5], usd, tonumber(ARGV[7]))
  return found
end

local function raise(found)
  if not found.held then return end
  local function exchange(parts, at, held, needs)
    if parts and held ~= '' then parts[at] = whole(math.max(0, tonumber(parts[at]) + tonumber(needs) - tonumber(held))) end
  end
  exchange(found.day, 2, found.held[3], found.needs[1])
  exchange(found.day, 3, found.held[4], found.needs[2])
  exchange(found.month, 3, found.held[5], found.needs[3])
  if found.day then redis.call('HSET', found.sums, found.day_field, table.concat(found.day, ':')) end
  if found.month then redis.call('HSET', found.sums, found.month_field, table.concat(found.month, ':')) end
  for index = 1, 3 do
    if found.held[2 + index] ~= '' then found.held[2 + index] = found.needs[index] end
  end
  redis.call('HSET', found.open, id, table.concat(found.held, ':'))
end

local subjects, counted = {}, true
for number = 1, #KEYS / 2 do
  subjects[number] = standing(number - 1)
  counted = counted and (subjects[number].fits or not enforce)
end
local answer = { counted and 1 or 0 }
for number = 1, #subjects do
  if counted then raise(subjects[number]) end
  for index = 1, 6 do
    answer[#answer + 1] = whole(subjects[number].used[index])
    answer[#answer + 1] = whole(subjects[number].wait[index])
  end
end
return answer
