"""The mailbox: what reaches a conversation from more than one side. Fair, and bounded per source. Starts nothing, reads nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from ..errors import EffectRefused
from ..limits import default_limits
from ..types import Mailbox, Message, Source

__all__ = ["ClientQueue", "SharedMailbox"]

MAX_SOURCES: int = default_limits()["max_sources"]
CLIENT = ("client",)
"""The key of the one source that is always there."""


class ClientQueue:
    """The client's messages that were read ahead of the handler: at most ``max_count``, and ``max_bytes`` in all."""

    __slots__ = ("_max_bytes", "_max_count", "_messages", "_room", "_size", "full_since")

    done = False

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._messages: list[tuple[str | bytes, int]] = []  # short by its bound, and a list is a tenth of an empty deque
        self._size = 0
        self._room: asyncio.Future[None] | None = None
        self.full_since: float | None = None
        """When somebody began to wait for room, in the loop's time."""

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def full(self) -> bool:
        return len(self._messages) >= self._max_count or self._size >= self._max_bytes

    def put(self, message: str | bytes, size: int) -> None:
        self._messages.append((message, size))
        self._size += size

    def take(self) -> str | bytes | None:
        if not self._messages:
            return None
        message, size = self._messages.pop(0)
        self._size -= size
        self._make_room()
        return message

    def discard(self) -> int:
        """Empty the queue; returns how many messages it held."""
        count = len(self._messages)
        self._messages.clear()
        self._size = 0
        self._make_room()
        return count

    async def until_room(self, now: float) -> None:
        """Wait until something was taken."""
        self.full_since = now
        self._room = asyncio.get_running_loop().create_future()
        await self._room

    def _make_room(self) -> None:
        self.full_since = None
        if self._room is not None and not self._room.done():
            self._room.set_result(None)


class Wake:
    """What a source calls when it has something. An idle subscription holds one for days: a ``partial`` would be four times as large."""

    __slots__ = ("_key", "_mailbox")

    def __init__(self, mailbox: SharedMailbox, key: object) -> None:
        self._mailbox = mailbox
        self._key = key

    def __call__(self, first: bool = False) -> None:
        self._mailbox.wake(self._key, first)


class SharedMailbox(Mailbox):
    """Hands over one message at a time, going round the sources that have one: none is served twice while another waits."""

    __slots__ = ("_closed", "_loop", "_max_sources", "_ready", "_sources", "_waiter", "client", "on_open")

    def __init__(self, client: ClientQueue, on_open: Callable[[], None], max_sources: int = MAX_SOURCES) -> None:
        self.client = client
        self.on_open = on_open
        self._max_sources = max_sources
        self._sources: dict[object, Source] = {}
        self._ready: list[object] = []  # the keys in turn, each once; short, since a conversation hears few
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    # ---- for resources

    def open(self, key: object, source: Source, bound: int) -> None:
        if self._closed:
            raise EffectRefused("the client has left or the conversation is over: nothing can join its mailbox any more")
        if key in self._sources:
            raise ValueError(f"the mailbox has a source under {key!r} already; close it first")
        if len(self._sources) >= self._max_sources:
            raise EffectRefused(f"this conversation hears {self._max_sources} sources already; end one first, or raise the limit max_sources")
        self._sources[key] = source
        try:
            self.on_open()
            source.open(Wake(self, key), bound)
        except BaseException:  # whatever it is: what was not opened is not there
            del self._sources[key]
            raise

    async def close(self, key: object) -> None:
        source = self._sources.pop(key, None)
        if source is not None:
            self._forget(key)
            await source.close()

    def is_open(self, key: object) -> bool:
        return key in self._sources

    # ---- for the receiver

    @property
    def shared(self) -> bool:
        """Does anything besides the client speak here?"""
        return bool(self._sources)

    def take(self) -> Message | None:
        """The next message in turn, or ``None`` while there is none."""
        while self._ready:
            key = self._ready.pop(0)
            source = self.client if key is CLIENT else self._sources.get(key)
            if source is None or (message := source.take()) is None:
                continue
            if source.done:
                self._sources.pop(key, None)
            elif not getattr(source, "idle", False) and key not in self._ready:
                self._ready.append(key)
            return message
        return None

    def put(self, message: str | bytes, size: int) -> None:
        """A message of the client's."""
        self.client.put(message, size)
        self.wake(CLIENT)

    def wake(self, key: object, first: bool = False) -> None:
        """Something waits under ``key``; ``first``: what comes next there overtakes what other sources have."""
        if key not in self._ready or first:
            if (self._closed or key not in self._sources) and key is not CLIENT:
                return
            if first:
                self._forget(key)
                self._ready.insert(0, key)
            else:
                self._ready.append(key)
        self.stir()

    def stir(self) -> None:
        """Let whoever waits look again."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def wait(self) -> asyncio.Future[None]:
        """Until something changed: a message came, or the client left. To be awaited by one at a time."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # on 3.11 a system call
        self._waiter = self._loop.create_future()
        return self._waiter

    def hush(self) -> None:
        """The client left: only what it said is still delivered, and nothing joins any more."""
        self._closed = True
        self._ready = [key for key in self._ready if key is CLIENT]
        self.stir()

    def shut(self) -> Iterator[Coroutine[Any, Any, None]]:
        """The end of every source, one by one, each to be awaited whatever another does."""
        self._closed = True
        while self._sources:
            yield self.close(next(iter(self._sources)))

    def _forget(self, key: object) -> None:
        if key in self._ready:
            self._ready.remove(key)
