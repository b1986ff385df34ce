-- The sliding log in a sorted set: one member per request, its score the time in nanoseconds.
-- Scores come as text, because a number here has no room for them. A member that is taken is made
-- longer. Answers how many requests came before this one, and the oldest score.
local function rate(key, now, start, window, log)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', start)
  local used = redis.call('ZCARD', key)
  local oldest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] or ''
  if log == '1' then
    local member = now
    while redis.call('ZADD', key, 'NX', now, member) == 0 do
      member = member .. '.'
    end
    redis.call('PEXPIRE', key, window)
  end
  return used, oldest
end
