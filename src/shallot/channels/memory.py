"""The backend of one process: everything in its memory. Also the model of a backend: the shortest that keeps the contract."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any

from .contract import Caps, Entry, Kept, Link, Page, Position, Present, Sink, Stored, judge
from .resource import Channels

__all__ = ["MemoryBackend", "memory_channels"]

MAX_IDS = 10_000
"""How many ids of a channel are remembered, however young they are."""
SWEEP_S = 60.0
"""How often all channels are looked at for what is too old."""
FORGET_S = 3600.0
"""How long at least the head of a channel is known after its last message."""


def memory_channels(topics: Mapping[str, Mapping[str, Any]] | None = None, *, max_channels: int = 100_000, **options: Any) -> Channels:
    """Channels within one process, with no set-up: for development, tests, and apps that run in one process. A resource of ``build_server``.

    ``topics``        settings by pattern of the channel's name, see ``shallot.channels.topics.Topic``
    ``max_channels``  how many channels hold messages at most; over it, the one that was silent for longest, and that nobody hears, is forgotten
    ``options``       those of ``Channels``

        >>> channels = memory_channels({"chat:*": {"keep": 1000, "presence": True}})
    """
    return Channels(MemoryBackend(max_channels=max_channels), topics, **options)


class Shelf:
    """What is stored of one channel. ``trimmed`` is the newest position that was trimmed."""

    __slots__ = ("entries", "head", "ids", "kept", "times", "trimmed", "used_at")

    def __init__(self, epoch: str, now: float) -> None:
        self.head = self.trimmed = Position(epoch, 0, "")
        self.entries: deque[Entry] = deque()
        self.times: deque[float] = deque()
        self.ids: dict[str, tuple[int, float]] = {}
        self.kept = Kept(0, 0.0, 0.0)
        self.used_at = now

    def add(self, data: bytes, identity: str, now: float) -> Entry:
        entry = Entry(self.head.offset + 1, identity, data)
        self.head = Position(self.head.epoch, entry.offset, identity)
        self.entries.append(entry)
        self.times.append(now)
        self.ids[identity] = entry.offset, now
        self.used_at = now
        return entry

    def trim(self, now: float) -> None:
        """Forget what is too much or too old."""
        entries, times, ids = self.entries, self.times, self.ids
        while entries and (len(entries) > self.kept.keep + 1 or now - times[0] >= self.kept.ttl_s):
            self.trimmed = Position(self.head.epoch, entries[0].offset, entries[0].id)
            entries.popleft()
            times.popleft()
        while ids:
            first = next(iter(ids))
            if len(ids) <= MAX_IDS and now - ids[first][1] < self.kept.dedupe_s:
                break
            del ids[first]

    def at(self, offset: int) -> str | None:
        if offset == self.trimmed.offset:
            return self.trimmed.id
        index = offset - self.trimmed.offset - 1
        return self.entries[index].id if 0 <= index < len(self.entries) else None

    def between(self, start: int, end: int) -> list[Entry]:
        """The entries ``start`` to ``end``, counted from the oldest."""
        return [self.entries[index] for index in range(max(0, start), min(end, len(self.entries)))]


class MemoryBackend:
    """Keeps what is published for as long as it lives; several ``Channels`` may share it, as nodes share a server."""

    caps = Caps(contiguous=True, local=True)

    def __init__(self, *, max_channels: int = 100_000) -> None:
        if isinstance(max_channels, bool) or not isinstance(max_channels, int) or max_channels < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"memory_channels: max_channels must be an int of at least 1, got {max_channels!r}")
        self._max_channels = max_channels
        self._epoch = token_hex(8)
        self._shelves: OrderedDict[str, Shelf] = OrderedDict()
        """Those that were published to, the longest silent first."""
        self._hearing: dict[str, dict[MemoryLink, str]] = {}
        """Channel -> who hears it, and in which epoch it was while nobody had published to it."""
        self._sweep_at = 0.0
        self._leases: dict[str, float] = {}
        self._members: dict[str, dict[tuple[str, str], bytes]] = {}

    @asynccontextmanager
    async def connect(self, sink: Sink, /) -> AsyncGenerator[Link, None]:
        link = MemoryLink(self, sink)
        try:
            yield link
        finally:
            await link.detach(list(link.attached))

    # ---- what is stored

    def store(self, channel: str, data: bytes, identity: str, kept: Kept, now: float) -> Stored:
        shelf = self._shelves.get(channel)
        if shelf is None:
            if len(self._shelves) >= self._max_channels:
                self.forget(next((name for name in self._shelves if name not in self._hearing), None))
            shelf = self._shelves[channel] = Shelf(self.head(channel).epoch, now)
        shelf.kept = kept
        shelf.trim(now)
        if identity in shelf.ids:
            return Stored(Position(shelf.head.epoch, shelf.ids[identity][0], identity), duplicate=True)
        entry = shelf.add(data, identity, now)
        shelf.trim(now)
        self._shelves.move_to_end(channel)
        for link in list(self._hearing.get(channel, ())):
            link.sink.message(channel, shelf.head.epoch, entry)
        return Stored(shelf.head, duplicate=False)

    def head(self, channel: str) -> Position:
        shelf = self._shelves.get(channel)
        if shelf is not None:
            return shelf.head
        return Position(next(iter(self._hearing.get(channel, {}).values()), self._epoch), 0, "")

    def shelf(self, channel: str, now: float) -> Shelf:
        shelf = self._shelves.get(channel) or Shelf(self.head(channel).epoch, now)
        shelf.trim(now)
        return shelf

    def hear(self, channel: str, link: MemoryLink) -> Position:
        head = self.head(channel)
        self._hearing.setdefault(channel, {})[link] = head.epoch
        return head

    def unhear(self, channel: str, link: MemoryLink) -> None:
        hearing = self._hearing[channel]
        del hearing[link]
        if not hearing:
            del self._hearing[channel]

    def sweep(self, now: float) -> None:
        """Forget channels that nobody needs, and the data of silent ones: now and then, for it looks at them all."""
        if now < self._sweep_at:
            return
        self._sweep_at = now + SWEEP_S
        for channel, shelf in list(self._shelves.items()):
            if channel not in self._hearing and now - shelf.used_at >= max(FORGET_S, 10 * shelf.kept.ttl_s):
                self.forget(channel)
            else:
                shelf.trim(now)

    def forget(self, channel: str | None) -> None:
        """What was numbered never begins anew in the same epoch."""
        if self._shelves.pop(channel or "", None) is not None:
            self._epoch = token_hex(8)

    # ---- who is there

    def renew(self, node: str, ttl_s: float, now: float) -> Mapping[str, float]:
        self._leases[node] = now + ttl_s
        for other, until in list(self._leases.items()):
            if until <= now:
                del self._leases[other]
                for channel in list(self._members):
                    self.remove(channel, other, [member for owner, member in self._members[channel] if owner == other])
        return {node: until - now for node, until in self._leases.items()}

    def add(self, channel: str, node: str, members: Mapping[str, bytes]) -> None:
        for member, data in members.items():
            self._members.setdefault(channel, {})[node, member] = data
            for link in list(self._hearing.get(channel, ())):
                link.sink.joined(channel, Present(node, member, data))

    def remove(self, channel: str, node: str, members: Collection[str]) -> Collection[str]:
        """Returns those that were there."""
        here = self._members.get(channel, {})
        gone = [member for member in members if here.pop((node, member), None) is not None]
        if not here:
            self._members.pop(channel, None)
        return gone

    def dismiss(self, channel: str, node: str, members: Collection[str]) -> None:
        for member in self.remove(channel, node, members):
            for link in list(self._hearing.get(channel, ())):
                link.sink.left(channel, node, member)

    def present(self, channel: str, now: float) -> Sequence[Present]:
        return [Present(node, member, data) for (node, member), data in self._members.get(channel, {}).items() if self._leases.get(node, 0) > now]


class MemoryLink:
    """A link to a ``MemoryBackend``. Nothing here waits."""

    def __init__(self, backend: MemoryBackend, sink: Sink) -> None:
        self._backend = backend
        self._now = asyncio.get_running_loop().time
        self.sink = sink
        self.attached: set[str] = set()

    async def publish(self, channel: str, data: bytes, id: str, kept: Kept) -> Stored:
        return self._backend.store(channel, data, id, kept, self._now())

    async def attach(self, channels: Sequence[str]) -> Mapping[str, Position]:
        self.attached.update(channels)
        return {channel: self._backend.hear(channel, self) for channel in channels}

    async def detach(self, channels: Sequence[str]) -> None:
        for channel in self.attached.intersection(channels):
            self.attached.discard(channel)
            self._backend.unhear(channel, self)

    async def read(self, channel: str, after: Position | None, limit: int) -> Page:
        shelf = self._backend.shelf(channel, self._now())
        oldest = shelf.entries[0].offset if shelf.entries else None
        gap = judge(after, shelf.head, shelf.at(after.offset), oldest) if after is not None else ""
        start = after.offset - shelf.trimmed.offset if after is not None and not gap else 0
        return Page(shelf.head, shelf.between(start, start + limit), gap)

    async def recent(self, channel: str, before: int | None, limit: int) -> Page:
        shelf = self._backend.shelf(channel, self._now())
        end = len(shelf.entries) if before is None else before - shelf.trimmed.offset - 1
        return Page(shelf.head, shelf.between(min(end, len(shelf.entries)) - limit, end))

    async def heads(self, channels: Sequence[str]) -> Mapping[str, Position]:
        return {channel: self._backend.head(channel) for channel in channels}

    async def lease(self, node: str, ttl_s: float) -> Mapping[str, float]:
        self._backend.sweep(self._now())
        return self._backend.renew(node, ttl_s, self._now())

    async def join(self, channel: str, node: str, members: Mapping[str, bytes]) -> None:
        self._backend.add(channel, node, members)

    async def leave(self, channel: str, node: str, members: Collection[str]) -> None:
        self._backend.dismiss(channel, node, members)

    async def members(self, channel: str) -> Sequence[Present]:
        return self._backend.present(channel, self._now())

    async def ping(self) -> None:
        """Memory answers."""
