"""One channel on one node: what the backend tells goes into the log, in order and without holes; readers are woken, and held to their bounds."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from ..errors import Unavailable
from .contract import Entry, Page, Position
from .cursor import format_cursor
from .gate import Gate
from .log import Log, Node, batch_of, mark
from .presence import Crowd
from .reader import Reader
from .topics import Topic

__all__ = ["ASK_S", "GATHER_S", "PAGE", "Channel", "Station"]

log = logging.getLogger("shallot.channels")

PAGE = 256
"""How many messages are asked for at a time."""
ASK_S = 5.0
"""How long a read may take, the wait for a link included."""
GATHER_S = 0.01
"""For how long readers of batches are left alone when they have had their turn. The first message after a pause does not wait for others."""
MAX_EARLY = 1024
"""How many messages wait for the end of a read; what comes beyond them is read, too."""


class Station(Protocol):
    """What a channel needs of its node."""

    counters: Counter[str]
    contiguous: bool

    @property
    def now(self) -> Callable[[], float]: ...

    async def read(self, channel: str, after: Position | None) -> Page: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...

    def release(self, channel: Channel) -> None:
        """Nobody hears it any more."""
        ...

    def depart(self, channel: str, member: str) -> None:
        """A socket of a member's has gone."""
        ...


class Channel(Gate):
    """``users`` counts those who are about to read. The log is there as soon as the backend has confirmed (``ready``)."""

    __slots__ = (
        *("_again", "_batch", "_early", "_is_gathering", "_limits", "_reading", "_station", "crowd"),
        *("key", "log", "name", "readers", "ready", "recovering", "refusal", "returning", "topic", "users"),
    )

    def __init__(self, name: str, topic: Topic, station: Station) -> None:
        super().__init__(topic.block_s)
        self._station = station
        self._early: list[tuple[str, Entry]] | None = []
        """What was told while it is not certain what came before; ``None`` while it is."""
        self._again = False
        self._reading: asyncio.Task[None] | None = None
        self._limits = 0, 0
        """How far the chain may grow before some reader may be too far behind."""
        self._batch: tuple[tuple[Position, Position, int], dict[str, Any]] | None = None
        self._is_gathering = False
        """Do readers of batches let messages gather?"""
        self.crowd = Crowd() if topic.presence else None
        self.key: tuple[str, str] = ("channel", name)
        """Of its readers in their mailboxes, each in another one: one tuple for all."""
        self.log: Log | None = None
        self.name = name
        self.readers: dict[Reader, None] = {}
        self.ready: asyncio.Event | None = asyncio.Event()
        self.returning: list[tuple[Position | None, asyncio.Future[None]]] = []
        """Who came back with a position that the log does not hold; see ``recovery``."""
        self.recovering = False
        self.refusal: Unavailable | None = None
        """Why the backend does not let anybody here hear it."""
        self.topic = topic
        self.users = 0

    # ---- what the backend tells

    def message(self, epoch: str, entry: Entry) -> None:
        log = self.log
        if log is None or self._early is not None:
            self._wait(epoch, entry)
            return
        last = log.last
        if epoch == last.epoch:
            if entry.offset == last.offset + 1 or (entry.offset > last.offset and not self._station.contiguous):
                log.append(entry, epoch, self._station.now())
                self.stir()
                return
            if entry.offset <= last.offset and log.knows(entry):
                self._station.counters["repeats"] += 1
                return
        self.look()  # if it is true, it will be read

    def _wait(self, epoch: str, entry: Entry) -> None:
        if self._early is not None and len(self._early) < MAX_EARLY:
            self._early.append((epoch, entry))
        else:
            self._again = True

    def look(self) -> None:
        """Read what may be there."""
        self._again = True
        if self.log is not None and self._reading is None:
            if self._early is None:
                self._early = []
            self._reading = self._station.spawn(self._read())

    def doubt(self) -> None:
        """The link broke: what comes next is believed when it has been compared with the backend's head."""
        if self._early is None:
            self._early = []

    def attached(self, head: Position) -> None:
        """The backend has confirmed: whatever comes after ``head`` will be told."""
        if self.log is None:
            self.log = Log(self.name, head, self._station.now(), max_count=self.topic.keep, max_bytes=self.topic.lag_bytes)
        if head != self.log.last or self._again or self._reading is not None:
            self.look()
        else:
            self._settle()

    def compare(self, head: Position, before: Position) -> None:
        """``head`` is what the backend knew at a time when this node had seen ``before``, and long enough ago to have arrived since."""
        if self.log is None:
            return
        if self._early is not None:
            if self._reading is None:
                self.look()  # the last read was refused
            return
        last = self.log.last
        is_other = head.epoch != before.epoch or head.offset < before.offset or (head.offset == before.offset and head.id != before.id)
        if (is_other and last == before) or head.offset > last.offset:
            self._station.counters["audits"] += 1
            self.look()

    async def caught_up(self) -> None:
        """Returns when a read is done that began now or later."""
        self.look()
        await self.is_settled()

    async def is_settled(self) -> None:
        """Returns when nothing is being read."""
        while self._reading is not None:
            await asyncio.wait([self._reading])

    async def _read(self) -> None:
        try:
            while self._again and self.log is not None:
                self._again = False
                page = await self._station.read(self.name, self.log.last)
                self._take(page, self.log)
                self._again = self._again or len(page.entries) >= PAGE
        except Unavailable as error:
            log.debug("channel %.60r was not read: %s; it will be, by the next link or audit", self.name, error)
            return
        finally:
            self._reading = None
        self._settle()

    def _take(self, page: Page, log: Log) -> None:
        """Go on with what was read; where it does not follow what came before, with one gap."""
        now, epoch, entries = self._station.now(), page.head.epoch, list(page.entries)
        known: Mapping[tuple[str, int], int] = {}
        if page.gap:
            start = Position(epoch, entries[0].offset - 1, "") if entries else page.head
            missed = None
            if page.gap == "trimmed" and self._station.contiguous:
                missed = start.offset - log.last.offset
            elif page.gap != "trimmed":
                if epoch == log.last.epoch:  # until where both agree, nothing has changed
                    common = max((place for place, entry in enumerate(entries, 1) if log.knows(entry)), default=0)
                    start = Position(epoch, entries[common - 1].offset, entries[common - 1].id) if common else start
                    del entries[:common]
                known = log.remember(now)  # what was heard before the backend lost its memory is not told again
            self._station.counters["gaps"] += 1
            log.control({"type": "channel.gap", "channel": self.name, "reason": page.gap, "missed": missed, "cursor": format_cursor(start)}, now, start)
        for entry in entries:
            if entry.offset > log.last.offset or epoch != log.last.epoch:
                log.append(entry, epoch, now, known.get(mark(entry.id, entry.data)))
        self.stir()

    def _settle(self) -> None:
        """It is certain now what came before: what was told meanwhile follows, but for what is older than all that is remembered."""
        early, self._early = self._early, None
        for epoch, entry in early or ():
            if self.log is not None and (epoch != self.log.last.epoch or entry.offset >= self.log.oldest.position.offset):
                self.message(epoch, entry)

    # ---- what its node says

    def say(self, kind: str, **words: Any) -> None:
        """A word of control to all readers."""
        if self.log is not None:
            self.log.control({"type": kind, "channel": self.name, **words}, self._station.now())
            self.stir()

    def open(self) -> None:
        """Whoever waited for the backend's confirmation may read now."""
        if self.ready is not None:
            self.ready.set()
            self.ready = None

    def refuse(self, error: Unavailable) -> None:
        """Whoever waited for it has waited in vain."""
        self.refusal = error
        self.open()

    def rest(self) -> None:
        """Now and then: forget what nobody needs any more."""
        self._batch = None
        if self.log is not None:
            self.log.trim(self._station.now(), idle=True)

    # ---- readers

    @property
    def tail(self) -> Node:
        if self.log is None:
            raise RuntimeError(f"channel {self.name!r} is not attached")
        return self.log.tail

    def enter(self, reader: Reader) -> None:
        self.readers[reader] = None
        seq, size = reader.limit(self.topic.lag, self.topic.lag_bytes)
        self._limits = min(self._limits[0], seq), min(self._limits[1], size)

    def leave(self, reader: Reader) -> None:
        if reader in self.readers:
            del self.readers[reader]
            reader.node = None
            self.relieve(reader)
            if reader.member is not None:
                self._station.depart(self.name, reader.member)
            self.drop()

    def drop(self) -> None:
        if not self.readers and not self.users:
            self._station.release(self)

    def stir(self) -> None:
        """Wake whoever waits, and see who is too far behind."""
        is_gathering, woken = self._is_gathering, False
        for reader in self.readers:
            if reader.idle and not (is_gathering and reader.batch):
                reader.stir()
                woken = woken or (reader.batch > 0 and not reader.idle)
        if woken:
            self._is_gathering = True
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_later, GATHER_S, self._gathered)  # counted from when they have had their turn: a thousand of them need longer
        tail = self.tail
        if tail.seq > self._limits[0] or tail.size > self._limits[1]:
            self._check_lag()

    def _gathered(self) -> None:
        self._is_gathering = False
        if self.readers:
            self.stir()

    def _check_lag(self) -> None:
        lag, lag_bytes = self.topic.lag, self.topic.lag_bytes
        for reader in self.readers:
            if reader.is_behind(lag, lag_bytes):
                reader.overrun()
        limits = [reader.limit(lag, lag_bytes) for reader in self.readers]
        self._limits = min((seq for seq, _ in limits), default=0), min((size for _, size in limits), default=0)

    def skipped(self, reader: Reader, count: int) -> None:
        self._station.counters["skipped"] += count

    def batch(self, nodes: list[Node]) -> dict[str, Any]:
        first, last = nodes[0].position, nodes[-1].position
        if self._batch is None or self._batch[0] != (first, last, len(nodes)):
            messages = [message for node in nodes if (message := node.message(self.name)) is not None]
            self._batch = (first, last, len(nodes)), batch_of(self.name, messages)
        return self._batch[1]
