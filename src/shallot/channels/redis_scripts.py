"""What runs inside Redis: each step that must not be cut in two is one script. Texts only; nothing here talks to anybody.

All keys of a channel share a hash tag, so that a cluster keeps them on one node; no script touches two channels.

| key | type | holds |
|---|---|---|
| ``<prefix>{<channel>}:head`` | hash | of the newest message ``epoch``, ``offset``, ``id``, ``at`` (time), ``ttl``; the newest that is ``gone``, ``gone_id`` |
| ``<prefix>{<channel>}:log`` | stream | the messages: entry ``<offset>-<time>``, fields ``id`` and ``data`` |
| ``<prefix>{<channel>}:id:<id>`` | string | ``<epoch> <offset>`` of the message with this id, for as long as repeats are recognised |
| ``<prefix>{<channel>}:members`` | hash | ``<node>\\n<member>`` -> ``<stamp>\\n<data>`` |
| ``<prefix>nodes`` | sorted set | node -> when its lease ends |

Times are milliseconds of Redis' own clock. Everything expires by itself; the head long after the rest.
"""

from __future__ import annotations

__all__ = ["HEAD", "JOIN", "LEASE", "LEAVE", "MEMBERS", "PUBLISH", "READ", "RECENT", "SWEEP"]

_OPEN = """
local FORGET = 3600000
local HEAD, LOG, time = KEYS[1], KEYS[2], redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local epoch, offset, id, gone, gone_id, at, ttl = unpack(redis.call('HMGET', HEAD, 'epoch', 'offset', 'id', 'gone', 'gone_id', 'at', 'ttl'), 1, 7)
if epoch then
  offset, gone, at, ttl = tonumber(offset), tonumber(gone), tonumber(at), tonumber(ttl)
else -- the numbering begins: never with messages of another one
  redis.call('DEL', HEAD, LOG)
  epoch, offset, id, gone, gone_id, at, ttl = ARGV[1], 0, '', 0, '', 0, 0
  redis.call('HSET', HEAD, 'epoch', epoch, 'offset', 0, 'id', '', 'gone', 0, 'gone_id', '', 'at', 0, 'ttl', 0)
  redis.call('PEXPIRE', HEAD, FORGET)
end
local function whole(number) return string.format('%.0f', number) end
local function position() return epoch .. ' ' .. whole(offset) .. ' ' .. id end
"""
"""Where the channel is; ``ARGV[1]`` is its epoch, should it have none."""

_TRIM = """
local oldest = redis.call('XRANGE', LOG, '-', '+', 'COUNT', 1)[1]
local function find(number)
  if oldest and number == gone + 1 then return oldest end
  return redis.call('XRANGE', LOG, whole(number), whole(number))[1]
end
local function is_old(entry) return not entry or string.match(entry[1], '%d+$') + ttl <= now end
local function forget(number)
  local entry = find(number)
  gone, gone_id = number, entry and entry[2][2] or ''
end
if not oldest and gone < offset then -- the whole log expired
  gone, gone_id = offset, id
  redis.call('HSET', HEAD, 'gone', gone, 'gone_id', gone_id)
elseif oldest and is_old(oldest) then
  local low, high = gone + 1, offset
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if is_old(find(middle)) then low = middle else high = middle - 1 end
  end
  forget(low)
  oldest = nil
  redis.call('HSET', HEAD, 'gone', gone, 'gone_id', gone_id)
  redis.call('XTRIM', LOG, 'MINID', whole(low + 1))
end
"""
"""Forget what is too old. Times rise with offsets, so the newest of them is found by halving."""

PUBLISH = (
    _OPEN
    + """
local kept, log_ttl, dedupe = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local known_epoch, known_offset = string.match(redis.call('GET', KEYS[3]) or '', '^(%w+) (%d+)$')
if known_epoch == epoch then return epoch .. ' ' .. known_offset .. ' 1' end
ttl = log_ttl
"""
    + _TRIM
    + """
offset, id, at = offset + 1, ARGV[2], math.max(at, now)
if offset - kept > gone then forget(offset - kept) end
redis.call('XADD', LOG, 'MAXLEN', '=', kept, whole(offset) .. '-' .. whole(at), 'id', id, 'data', ARGV[3])
redis.call('PEXPIRE', LOG, ttl)
redis.call('HSET', HEAD, 'offset', offset, 'id', id, 'gone', gone, 'gone_id', gone_id, 'at', at, 'ttl', ttl)
redis.call('PEXPIRE', HEAD, math.max(FORGET, 10 * ttl))
if dedupe > 0 then redis.call('SET', KEYS[3], epoch .. ' ' .. whole(offset), 'PX', dedupe) end
redis.call('PUBLISH', ARGV[7], 'm\\n' .. epoch .. '\\n' .. whole(offset) .. '\\n' .. id .. '\\n' .. ARGV[3])
return epoch .. ' ' .. whole(offset) .. ' 0'
"""
)
"""Keys: head, log, id. Arguments: new epoch, id, data, how many to keep, their ttl, dedupe time, where to tell. Gives ``<epoch> <offset> <1 if known>``."""

HEAD = (
    _OPEN
    + """
if redis.call('PTTL', HEAD) < FORGET / 2 then redis.call('PEXPIRE', HEAD, FORGET) end
return position()
"""
)
"""Keys: head, log. Arguments: new epoch. Gives ``<epoch> <offset> <id>``; a channel that somebody hears does not forget where it is."""

READ = (
    _OPEN
    + _TRIM
    + """
local there = false
if ARGV[2] ~= '' then
  if tonumber(ARGV[2]) == gone then
    there = gone_id
  else
    local entry = redis.call('XRANGE', LOG, ARGV[2], ARGV[2])[1]
    there = entry and entry[2][2] or false
  end
end
return {position(), gone, there, redis.call('XRANGE', LOG, ARGV[3], '+', 'COUNT', ARGV[4])}
"""
)
"""Keys: head, log. Arguments: new epoch, the offset to look at (or nothing), the first to give, how many. Gives the position, the newest offset that is
gone, the id at the offset, and the entries."""

RECENT = (
    _OPEN
    + _TRIM
    + """
return {position(), redis.call('XREVRANGE', LOG, ARGV[2], '-', 'COUNT', ARGV[3])}
"""
)
"""Keys: head, log. Arguments: new epoch, the last to give, how many. Gives the position, and the entries, newest first."""

LEASE = """
local time = redis.call('TIME')
local now, ttl = time[1] * 1000 + math.floor(time[2] / 1000), tonumber(ARGV[2])
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[1], now + ttl, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 60000)
  redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), ttl + 60000))
end
local leases = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for n = 2, #leases, 2 do leases[n] = leases[n] - now end
return leases
"""
"""Keys: nodes. Arguments: node (or nothing), ttl. Gives all nodes, each with the time that its lease has left; those that ended within a minute, too: they
may not know it yet."""

JOIN = """
for n = 4, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[3] .. '\\n' .. ARGV[n], ARGV[1] .. '\\n' .. ARGV[n + 1])
  redis.call('PUBLISH', ARGV[2], 'j\\n' .. ARGV[3] .. '\\n' .. ARGV[n] .. '\\n' .. ARGV[n + 1])
end
redis.call('PEXPIRE', KEYS[1], 3600000)
"""
"""Keys: members. Arguments: stamp, where to tell, node, then each member and its data."""

LEAVE = """
for n = 3, #ARGV do
  if redis.call('HDEL', KEYS[1], ARGV[2] .. '\\n' .. ARGV[n]) == 1 then
    redis.call('PUBLISH', ARGV[1], 'l\\n' .. ARGV[2] .. '\\n' .. ARGV[n])
  end
end
"""
"""Keys: members. Arguments: where to tell, node, then each member."""

MEMBERS = """
redis.call('PEXPIRE', KEYS[1], 3600000)
return redis.call('HGETALL', KEYS[1])
"""
"""Keys: members. The core asks every minute or so: what nobody asks for in an hour is nobody's."""

SWEEP = """
for n = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[n]) == ARGV[n + 1] then redis.call('HDEL', KEYS[1], ARGV[n]) end
end
"""
"""Keys: members. Arguments: fields and what was read there: a node that came back meanwhile has written another stamp."""
