-- A limit that follows the requests in steps between threshold and rate, under the names that the
-- original gives it. It lives on while it is used, for `kept` milliseconds, and for the delay longer
-- after a change: the rest of its life says whether it may change again. `log` is 1 unless this only
-- asks. Answers the limit, and 1 if it rose or -1 if it fell.
local function smooth(key, used, log, rate, threshold, trigger, step, delay, kept)
  rate, threshold, step = tonumber(rate), tonumber(threshold), tonumber(step)
  local stored = tonumber(redis.call('HGET', key, 'current'))
  local limit = math.min(math.max(stored or threshold, threshold), rate)
  if log ~= '1' or (stored and redis.call('PTTL', key) > tonumber(kept)) then
    return {limit, 0}
  end
  local changed, near = limit, tonumber(trigger) * step
  if stored and used >= limit - near then
    changed = math.min(limit + step, rate)
  elseif stored and used <= limit - step - near then
    changed = math.max(limit - step, threshold)
  end
  if stored and changed == limit then
    redis.call('PEXPIRE', key, kept)
    return {limit, 0}
  end
  redis.call('HSET', key, 'current', changed, 'delay', delay)
  redis.call('PEXPIRE', key, delay * 1000 + kept)
  return {changed, changed > limit and 1 or changed < limit and -1 or 0}
end
