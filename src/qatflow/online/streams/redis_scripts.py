"""What must happen on a Redis server all at once, as Lua scripts.

Those of a reader may run though the server's memory is full: it is the reader that can make room.
"""

APPEND = """
local mine = redis.call('GET', KEYS[2])
if mine then
  local number, first, last = string.match(mine, '^(%d+) (%S+) (%S+)$')
  if number == ARGV[1] then
    local ids = {}
    for _, entry in ipairs(redis.call('XRANGE', KEYS[1], first, last)) do ids[#ids + 1] = entry[1] end
    return ids
  end
end
local ids = {}
for i = 3, #ARGV, 2 do
  ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', 'p', ARGV[i], 'c', ARGV[i + 1])
end
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. ids[1] .. ' ' .. ids[#ids], 'EX', 3600)
if tonumber(ARGV[2]) > 0 then redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[2]) end
return ids
"""
"""Keys: stream, what this writer did last. Arguments: number of the append, greatest length, then payload and checksum
of each record. An append that is sent again, since its answer was lost, returns the same offsets and adds nothing."""

DEAD_LETTER = """#!lua flags=allow-oom
local key, new, payload, reason, room = KEYS[1], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function field(entry, name)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == name then return entry[2][i + 1] end
  end
  return ''
end
local function begin(entry) return tonumber(field(entry, 'begin')) or 0 end
local last, start = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1], 0
if last then
  local ms, seq = parts(last[1])
  local newms, newseq = parts(new)
  if newms < ms or (newms == ms and newseq <= seq) then return 0 end
  start = begin(last) + #field(last, 'p') + #field(last, 'reason') + 100
end
local memory = redis.pcall('INFO', 'memory')
local maxmemory = type(memory) == 'string' and tonumber(string.match(memory, 'maxmemory:(%d+)')) or 0
if maxmemory > 0 then room = math.min(room, math.floor(maxmemory / 10)) end
local stop = start + #payload + #reason + 100
while true do
  local oldest = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
  if not oldest or stop - begin(oldest) <= room then break end
  redis.call('XDEL', key, oldest[1])
end
redis.call('XADD', key, new, 'p', payload, 'reason', reason, 'begin', string.format('%.0f', start))
return 1
"""
"""Keys: stream of dead letters. Arguments: offset, payload, reason, bytes. The offset is kept, so a repeat adds
nothing. `begin` counts the bytes of all dead letters there ever were before this one, with 100 for what each takes
beside its text, so that the difference of two says what is kept. The oldest go, until the new one fits into `bytes`,
and into a tenth of the server's memory limit: dead letters may be written though it is reached, and would else take
what the stream itself needs. The new one is kept whatever it takes."""

TAKE_LEASE = """#!lua flags=allow-oom
local holder = redis.call('GET', KEYS[1])
if not holder then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return ARGV[1]
end
if holder == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return holder
"""
"""Keys: lease. Arguments: holder, milliseconds. Takes the lease if it is free, renews it if it is the holder's; returns
who holds it."""

DROP_LEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
"""Keys: lease. Arguments: holder."""

JOIN_GROUP = """#!lua flags=allow-oom
local dropped = 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info, known = redis.call('XINFO', 'STREAM', KEYS[1]), {}
  for i = 1, #info, 2 do known[info[i]] = info[i + 1] end
  dropped = known['entries-added'] - known['length']
end
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0-0', 'MKSTREAM', 'ENTRIESREAD', dropped)
if made.err and not string.find(made.err, '^BUSYGROUP') then return made end
return 1
"""
"""Keys: stream. Arguments: consumer group, which is made if there is none, so that the server knows its lag."""

COUNT = """
local found = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
if #found == 0 then return {0, ''} end
return {#found, found[#found][1]}
"""
"""Keys: stream. Arguments: where to begin, how many at most. Returns how many, and the last one."""
