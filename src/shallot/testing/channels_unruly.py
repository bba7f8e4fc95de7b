"""A backend that misbehaves as real ones do, but by a seed: for tests of the core, and of apps that want to see their channels fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from random import Random
from typing import Any, TypeVar

from ..channels.contract import Caps, Entry, Kept, Link, LinkLost, Page, Position, Present, Sink, Stored
from ..channels.memory import MemoryBackend
from ..errors import Unavailable

__all__ = ["Unruly"]

T = TypeVar("T")


class Unruly:
    """Memory behind bad links. What is stored is stored atomically; whatever is told about it may be lost, repeated, late or out of order.

    ``lose``, ``repeat`` and ``refuse`` are the shares (0 to 1) of news that are lost, of news that come twice, and of calls that break the link,
    some of them after they were performed; ``deny`` is the share of calls that it says no to, on a link that holds: as a full disk does;
    ``late_s`` is the longest delay of a piece of news, ``slow_s`` of a call.
    """

    def __init__(self, seed: int = 0, *, contiguous: bool = True) -> None:
        self.caps = Caps(contiguous=contiguous, local=False)
        self.random = Random(seed)
        self.lose = self.repeat = self.refuse = self.deny = self.late_s = self.slow_s = 0.0
        self.memory = MemoryBackend()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self.links: dict[UnrulyLink, None] = {}
        """Those that hold, in the order in which they were made."""
        self.stored: Callable[[str, Position], None] = _nothing
        """Called with each message that is stored."""
        self.reads = 0

    @asynccontextmanager
    async def connect(self, sink: Sink, /) -> AsyncGenerator[Link, None]:
        await self._thawed.wait()
        if self.random.random() < self.refuse:
            raise LinkLost("refused")
        bad = UnrulySink(self, sink)
        async with self.memory.connect(bad) as link:
            unruly = UnrulyLink(self, link, sink)
            self.links[unruly] = None
            try:
                yield unruly
            finally:
                bad.is_open = False
                self.links.pop(unruly, None)

    @property
    def is_frozen(self) -> bool:
        return not self._thawed.is_set()

    def freeze(self) -> None:
        """Say nothing and answer nothing from now on, and do not tell."""
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    async def thawed(self) -> None:
        await self._thawed.wait()

    def cut(self) -> None:
        """Break all links."""
        cut, self.links = self.links, {}
        for link in cut:
            link.sink.lost(LinkLost("cut"))

    def forget(self) -> None:
        """A restart of a backend that keeps nothing."""
        self.memory = MemoryBackend()
        self.cut()

    def snapshot(self) -> Callable[[], None]:
        """What it gives back restores the backend as it is now: it has lost what came later, and does not know."""
        shelves, epoch = deepcopy(self.memory._shelves), self.memory._epoch  # pyright: ignore[reportPrivateUsage]

        def restore() -> None:
            self.memory = MemoryBackend()
            self.memory._shelves, self.memory._epoch = deepcopy(shelves), epoch  # pyright: ignore[reportPrivateUsage]
            self.cut()

        return restore


class UnrulySink:
    """What a link tells, on its way."""

    def __init__(self, backend: Unruly, sink: Sink) -> None:
        self._backend = backend
        self._sink = sink
        self.is_open = True

    def message(self, channel: str, epoch: str, entry: Entry) -> None:
        self._send(lambda: self._sink.message(channel, epoch, entry))

    def hint(self, channel: str) -> None:
        self._send(lambda: self._sink.hint(channel))

    def joined(self, channel: str, present: Present) -> None:
        self._sink.joined(channel, present)

    def left(self, channel: str, node: str, member: str) -> None:
        self._sink.left(channel, node, member)

    def lost(self, error: BaseException | None) -> None:
        self._sink.lost(error)

    def _send(self, tell: Callable[[], None]) -> None:
        backend = self._backend
        if backend.is_frozen:
            return
        for share in (backend.lose, 1 - backend.repeat):
            if backend.random.random() >= share:
                delay = backend.random.random() * backend.late_s
                asyncio.get_running_loop().call_later(delay, self._tell, tell)

    def _tell(self, tell: Callable[[], None]) -> None:
        if self.is_open and not self._backend.is_frozen:
            tell()


class UnrulyLink:
    """A link whose calls are slow, hang while it is frozen, and break it now and then."""

    def __init__(self, backend: Unruly, link: Link, sink: Sink) -> None:
        self._backend = backend
        self._link = link
        self.sink = sink

    async def _call(self, work: Coroutine[Any, Any, T], *, needs_room: bool = True) -> T:
        backend = self._backend
        try:
            await asyncio.sleep(backend.random.random() * backend.slow_s)
            await backend.thawed()
            if self not in backend.links or backend.random.random() < backend.refuse / 2:
                raise LinkLost("broken before the call")
            if needs_room and backend.random.random() < backend.deny:
                raise Unavailable("full")
            result = await work
        finally:
            work.close()
        await asyncio.sleep(backend.random.random() * backend.slow_s)
        if backend.random.random() < backend.refuse / 2:
            raise LinkLost("broken after the call")
        return result

    async def publish(self, channel: str, data: bytes, id: str, kept: Kept) -> Stored:
        return await self._call(self._publish(channel, data, id, kept))

    async def _publish(self, channel: str, data: bytes, identity: str, kept: Kept) -> Stored:
        stored = await self._link.publish(channel, data, identity, kept)
        if not stored.duplicate:
            self._backend.stored(channel, stored.position)
        return stored

    async def attach(self, channels: Sequence[str]) -> Mapping[str, Position]:
        return await self._call(self._link.attach(channels))

    async def detach(self, channels: Sequence[str]) -> None:
        await self._call(self._link.detach(channels))

    async def read(self, channel: str, after: Position | None, limit: int) -> Page:
        self._backend.reads += 1
        return await self._call(self._link.read(channel, after, limit))

    async def recent(self, channel: str, before: int | None, limit: int) -> Page:
        return await self._call(self._link.recent(channel, before, limit))

    async def heads(self, channels: Sequence[str]) -> Mapping[str, Position]:
        return await self._call(self._link.heads(channels))

    async def lease(self, node: str, ttl_s: float) -> Mapping[str, float]:
        return await self._call(self._link.lease(node, ttl_s))

    async def join(self, channel: str, node: str, members: Mapping[str, bytes]) -> None:
        await self._call(self._link.join(channel, node, members))

    async def leave(self, channel: str, node: str, members: Collection[str]) -> None:
        await self._call(self._link.leave(channel, node, members))

    async def members(self, channel: str) -> Sequence[Present]:
        return await self._call(self._link.members(channel))

    async def ping(self) -> None:
        await self._call(self._link.ping(), needs_room=False)


def _nothing(channel: str, position: Position) -> None:
    """Nobody asks."""
