-- A counter that lives as long as its period. Answers the count and the rest of its life in
-- milliseconds, -1 if it never ends.
local function quota(key, renewal)
  local rest = redis.call('PTTL', key)
  if rest <= 0 then
    rest = -1
    if tonumber(renewal) > 0 then
      redis.call('SET', key, 0, 'EX', renewal)
      rest = renewal * 1000
    end
  end
  return {redis.call('INCR', key), rest}
end
