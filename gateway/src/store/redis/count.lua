-- Counts a request on a rate, and on a quota unless the rate refuses it. The keys are those of the
-- rate, of the quota and of the smoothed limit, as far as there are any.
local used, oldest = rate(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
local limit, smoothed = tonumber(ARGV[5]), false
if ARGV[7] then
  smoothed = smooth(KEYS[#KEYS], used, ARGV[4], unpack(ARGV, 7))
  limit = smoothed[1]
end
return {used, oldest, smoothed, ARGV[6] ~= '' and used < limit and quota(KEYS[2], ARGV[6])}
