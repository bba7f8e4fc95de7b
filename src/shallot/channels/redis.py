"""The backend in Redis or Valkey: one script publishes, pub/sub delivers, ranges are read only to recover."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any

from . import redis_scripts
from .contract import Caps, Entry, Kept, Link, Page, Position, Present, Sink, Stored, judge
from .redis_wire import Address, Wire
from .resource import Channels

__all__ = ["RedisBackend", "RedisLink", "redis_channels"]

LAST_OFFSET = 2**63 - 1


def redis_channels(
    url: str, topics: Mapping[str, Mapping[str, Any]] | None = None, *, prefix: str = "shallot:", sharded: bool = False, **options: Any
) -> Channels:
    """Channels for many processes, through Redis (6.2 or later) or Valkey. A resource of ``build_server``.

    ``url``      ``redis://user:password@host:6379/0``, ``rediss://`` for TLS, ``unix://``
    ``topics``   settings by pattern of the channel's name, see ``shallot.channels.topics.Topic``
    ``prefix``   in front of all keys (``"shallot:"``): who shares it, and the database, shares the channels
    ``sharded``  tell by sharded pub/sub (``SPUBLISH``, Redis 7): a cluster behind a proxy then does not repeat every message to all its nodes
    ``options``  those of ``Channels``

    Each process has two connections, both to the address of ``url``. The redirections of a Redis Cluster (``MOVED``) are not followed; they are an
    ``Unavailable``: put a proxy in front of it that follows them, or use a primary with replicas. Redis must not evict (``maxmemory-policy noeviction``),
    and what it may lose is set there: ``appendonly yes`` keeps what was acknowledged up to the last second, ``appendfsync always`` all of it. What it does
    lose, readers are told.

        >>> channels = redis_channels("redis://localhost", {"chat:*": {"keep": 1000, "presence": True}})
    """
    return Channels(RedisBackend(url, prefix=prefix, sharded=sharded), topics, **options)


class RedisBackend:
    """Where Redis is, and how our keys are named there."""

    caps = Caps(contiguous=True, local=False)

    def __init__(self, url: str, *, prefix: str = "shallot:", sharded: bool = False) -> None:
        if not isinstance(prefix, str) or "{" in prefix:  # pyright: ignore[reportUnnecessaryIsInstance]  # a user's value
            raise ValueError(f"redis_channels: prefix must be a str without '{{', got {prefix!r}")
        self._address = Address(url)
        self.prefix = prefix
        self.database = self._address.database
        self._verb = "S" if sharded else ""

    @asynccontextmanager
    async def connect(self, sink: Sink, /) -> AsyncGenerator[Link, None]:
        """Two connections: one that asks, one that listens."""
        heard: dict[bytes, str] = {}
        asking = Wire(self._address.connection(), sink, lambda name, payload: None)
        listening = Wire(self._address.connection(), sink, lambda name, payload: _tell(sink, heard.get(name), payload))
        try:
            for wire in (asking, listening):
                await wire.open()
            texts = {name: getattr(redis_scripts, name).replace("'PUBLISH'", f"'{self._verb}PUBLISH'") for name in redis_scripts.__all__}
            loaded = await asking.ask(*(("SCRIPT LOAD", text) for text in texts.values()))
            yield RedisLink(self, asking, listening, heard, dict(zip(texts, loaded, strict=True)), self._verb)
        finally:
            for wire in (asking, listening):
                await wire.close()


class RedisLink:
    """A link to Redis. ``heard`` is shared with the connection that listens: the name in pub/sub of each attached channel."""

    def __init__(self, backend: RedisBackend, asking: Wire, listening: Wire, heard: dict[bytes, str], scripts: Mapping[str, bytes], verb: str) -> None:
        self._prefix = backend.prefix
        self._database = backend.database
        self._asking = asking
        self._listening = listening
        self._heard = heard
        self._scripts = scripts
        self._verb = verb

    async def publish(self, channel: str, data: bytes, id: str, kept: Kept) -> Stored:
        arguments = [token_hex(8), id, data, kept.keep + 1, _ms(kept.ttl_s), _ms(kept.dedupe_s), self._ear(channel)]
        epoch, offset, known = (await self._call("PUBLISH", self._keys(channel, "head", "log", f"id:{id}"), arguments)).split()
        return Stored(Position(epoch.decode(), int(offset), id), duplicate=known == b"1")

    async def attach(self, channels: Sequence[str]) -> Mapping[str, Position]:
        self._heard.update({self._ear(channel): channel for channel in channels})
        await self._listen("SUBSCRIBE", channels)
        return await self.heads(channels)

    async def detach(self, channels: Sequence[str]) -> None:
        for channel in channels:
            self._heard.pop(self._ear(channel), None)
        await self._listen("UNSUBSCRIBE", channels)

    async def read(self, channel: str, after: Position | None, limit: int) -> Page:
        offset, start = ("", 0) if after is None else (after.offset, after.offset + 1)
        text, gone, there, found = await self._call("READ", self._keys(channel, "head", "log"), [token_hex(8), offset, start, limit])
        head = _position(text)
        oldest = gone + 1 if gone < head.offset else None
        gap = judge(after, head, None if there is None else there.decode(), oldest) if after is not None else ""
        if gap:
            return (await self.read(channel, None, limit))._replace(gap=gap)
        return Page(head, [_entry(one) for one in found])

    async def recent(self, channel: str, before: int | None, limit: int) -> Page:
        last = LAST_OFFSET if before is None else max(0, before - 1)
        text, found = await self._call("RECENT", self._keys(channel, "head", "log"), [token_hex(8), last, limit])
        return Page(_position(text), [_entry(one) for one in reversed(found)])

    async def heads(self, channels: Sequence[str]) -> Mapping[str, Position]:
        epoch = token_hex(8)
        found = await self._asking.ask(*(self._command("HEAD", self._keys(channel, "head", "log"), [epoch]) for channel in channels))
        return dict(zip(channels, map(_position, found), strict=True))

    async def lease(self, node: str, ttl_s: float) -> Mapping[str, float]:
        leases = _leases(await self._call("LEASE", [f"{self._prefix}nodes"], [node, _ms(ttl_s)]))
        return {other: left / 1000 for other, left in leases.items() if left > 0}

    async def join(self, channel: str, node: str, members: Mapping[str, bytes]) -> None:
        pairs = [part for pair in members.items() for part in pair]
        await self._call("JOIN", self._keys(channel, "members"), [token_hex(4), self._ear(channel), node, *pairs])

    async def leave(self, channel: str, node: str, members: Collection[str]) -> None:
        await self._call("LEAVE", self._keys(channel, "members"), [self._ear(channel), node, *members])

    async def members(self, channel: str) -> Sequence[Present]:
        keys = self._keys(channel, "members")
        # In this order: a node renews its lease before it joins, so who is found without one has none.
        found, leases = await self._asking.ask(self._command("MEMBERS", keys), self._command("LEASE", [f"{self._prefix}nodes"], ["", 0]))
        left = _leases(leases)
        listed: list[Present] = []
        dead: list[bytes] = []
        for field, value in zip(found[::2], found[1::2], strict=True):
            node, _, member = field.decode().partition("\n")
            if node not in left:
                dead += [field, value]
            elif left[node] > 0:
                listed.append(Present(node, member, value.partition(b"\n")[2]))
        if dead:
            await self._call("SWEEP", keys, dead)
        return listed

    async def ping(self) -> None:
        await asyncio.gather(self._asking.send(1, ("PING",)), self._listening.send(1, ("PING",)))

    def _keys(self, channel: str, *kinds: str) -> list[str]:
        return [self._key(channel, kind) for kind in kinds]

    def _key(self, channel: str, kind: str) -> str:
        """The channel's name is the hash tag, which ends at the first brace."""
        return f"{self._prefix}{{{channel.replace('%', '%25').replace('}', '%7D')}}}:{kind}"

    def _ear(self, channel: str) -> bytes:
        """Its name in pub/sub, which all databases share."""
        return self._key(channel, f"told:{self._database}").encode()

    def _command(self, script: str, keys: Sequence[str], arguments: Sequence[object] = ()) -> tuple[object, ...]:
        return ("EVALSHA", self._scripts[script], len(keys), *keys, *arguments)

    async def _call(self, script: str, keys: Sequence[str], arguments: Sequence[object]) -> Any:
        (reply,) = await self._asking.ask(self._command(script, keys, arguments))
        return reply

    async def _listen(self, word: str, channels: Sequence[str]) -> None:
        """Redis confirms each channel by itself. Sharded ones may be asked for only one at a time: they may lie in different slots."""
        ears = [self._ear(channel) for channel in channels]
        commands = [(f"{self._verb}{word}", ear) for ear in ears] if self._verb else [(word, *ears)]
        if ears:
            await self._listening.send(len(ears), *commands)


def _tell(sink: Sink, channel: str | None, payload: bytes) -> None:
    """What a script has told. What none of ours can have said makes the core look."""
    if channel is None:
        return
    try:
        match payload[:1]:
            case b"m":
                _, epoch, offset, identity, data = payload.split(b"\n", 4)
                sink.message(channel, epoch.decode(), Entry(int(offset), identity.decode(), data))
            case b"j":
                _, node, member, data = payload.split(b"\n", 3)
                sink.joined(channel, Present(node.decode(), member.decode(), data))
            case _:
                _, node, member = payload.split(b"\n", 2)
                sink.left(channel, node.decode(), member.decode())
    except ValueError:
        sink.hint(channel)


def _position(text: bytes) -> Position:
    epoch, offset, identity = text.split(b" ", 2)
    return Position(epoch.decode(), int(offset), identity.decode())


def _entry(found: Any) -> Entry:
    name, (_, identity, _, data) = found
    return Entry(int(name.partition(b"-")[0]), identity.decode(), data)


def _leases(found: Sequence[Any]) -> dict[str, int]:
    return {node.decode(): left for node, left in zip(found[::2], found[1::2], strict=True)}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
