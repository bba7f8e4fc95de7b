"""One node: its channels, its line to the backend, and what it does while that holds: attach, keep the lease, audit. Knows no effects and no mailbox."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from random import uniform
from typing import Any, TypeVar

from ..deadline import DeadlinePassed, within
from ..errors import Unavailable
from .channel import ASK_S, PAGE, Channel
from .contract import CALL_S, Backend, Entry, Link, Page, Position, Present, is_refusal
from .line import REFUSED_S, Line, unless_refused
from .presence import Attendance, Crowd
from .topics import Topics

__all__ = ["AUDIT_S", "REVIEW_EVERY", "Hub"]

log = logging.getLogger("shallot.channels")

T = TypeVar("T")

MANY = 512
"""How many channels are attached, detached or compared at a time."""
READS = 32
"""How many reads are under way at a time."""
AUDIT_S = 10.0
"""How often each channel's position is compared with the backend's, more or less a quarter,"""
SETTLE_S = 1.0
"""and how long after the backend's answer: what it knew then must have arrived since."""
REVIEW_EVERY = 6
"""Every so many audits the members are compared, too."""


class Hub:
    """What a ``Channels`` is while it is entered."""

    def __init__(self, backend: Backend, topics: Topics, node: str, grace_s: float) -> None:
        self.node = node
        self.topics = topics
        self.contiguous = backend.caps.contiguous
        self.channels: dict[str, Channel] = {}
        self.counters: Counter[str] = Counter()
        self.now = asyncio.get_running_loop().time
        self.attendance = Attendance(self, grace_s)
        self.line = Line(backend, self, [self._attach, self.attendance.serve, self._audit])
        self._new: dict[str, Channel] = {}
        self._gone: dict[str, None] = {}
        self._stirred = asyncio.Event()
        self._reads = asyncio.Semaphore(READS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stale = False
        self.is_up = asyncio.Event()

    # ---- life

    def start(self) -> asyncio.Task[None]:
        return self.spawn(self.line.run())

    async def stop(self) -> None:
        """End all subscriptions (1012: they can go on elsewhere with their cursors), the lease, the line, and every task."""
        for channel in list(self.channels.values()):
            for reader in list(channel.readers):
                reader.finish(1012, "")
        try:
            await self.attendance.resign()
        finally:
            self.line.end()
            while self._tasks:
                for task in self._tasks:
                    task.cancel()
                await asyncio.wait(self._tasks)
            self.line.fresh()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("channels: a task failed", exc_info=task.exception())

    # ---- the backend's use

    async def ask(self, use: Callable[[Link], Coroutine[Any, Any, T]], seconds: float) -> T:
        return await self.line.ask(use, seconds)

    async def read(self, channel: str, after: Position | None) -> Page:
        """A page of the messages after ``after``."""
        async with self._reads:
            self.counters["reads"] += 1
            return await self.line.ask(lambda link: link.read(channel, after, PAGE), ASK_S)

    # ---- channels come and go

    async def hold(self, name: str, seconds: float) -> Channel:
        """The channel, attached; it stays until ``users`` is lowered and ``drop`` called."""
        channel = self.channels.get(name)
        if channel is None:
            channel = self.channels[name] = self._new[name] = Channel(name, self.topics.find(name), self)
            self._stirred.set()
        channel.users += 1
        try:
            if channel.ready is not None:
                await within(seconds, channel.ready.wait())
        except BaseException as error:  # a cancellation, too: whoever does not get the channel holds none
            channel.users -= 1
            channel.drop()
            if isinstance(error, DeadlinePassed):
                raise Unavailable(f"channel {name!r}: the backend has not confirmed within {seconds:g} s") from error
            raise
        return channel

    def release(self, channel: Channel) -> None:
        if self.channels.get(channel.name) is channel:
            del self.channels[channel.name]
            self._new.pop(channel.name, None)
            if self.line.holds:  # the next link hears only what is wanted then
                self._gone[channel.name] = None
                self._stirred.set()

    async def present(self, channel: str, seconds: float) -> Mapping[str, Mapping[str, Any]]:
        """Who is in ``channel``: as this node has told its readers, where it has any."""
        heard = self.channels.get(channel)
        if heard is not None and heard.crowd is not None and heard.ready is None:
            return dict(heard.crowd.shown)
        crowd = Crowd()
        for present in await self.ask(lambda link: link.members(channel), seconds):
            crowd.add(present)
        return crowd.shown

    def depart(self, channel: str, member: str) -> None:
        self.attendance.depart(channel, member)

    def crowds(self) -> Iterable[tuple[str, Crowd]]:
        return ((name, channel.crowd) for name, channel in self.channels.items() if channel.crowd is not None)

    # ---- what the backend tells

    def message(self, channel: str, epoch: str, entry: Entry) -> None:
        if channel in self.channels:
            self.channels[channel].message(epoch, entry)

    def hint(self, channel: str) -> None:
        if channel in self.channels:
            self.channels[channel].look()

    def joined(self, channel: str, present: Present) -> None:
        crowd = self._crowd(channel)
        member = None if crowd is None else crowd.add(present)
        if member is not None:
            self.tell(channel, "channel.joined", member)

    def left(self, channel: str, node: str, member: str) -> None:
        crowd = self._crowd(channel)
        gone = None if crowd is None else crowd.remove(node, member)
        if gone is not None:
            self.tell(channel, "channel.left", gone)

    def lost(self, error: BaseException | None) -> None:
        """The line knows."""

    def stale(self) -> None:
        self._is_stale = True
        for channel in self.channels.values():
            channel.say("channel.stale")

    def fresh(self) -> None:
        self.line.fresh()
        if self._is_stale:
            self._is_stale = False
            for channel in self.channels.values():
                channel.say("channel.fresh")

    def tell(self, channel: str, kind: str, member: Mapping[str, Any]) -> None:
        self.channels[channel].say(kind, member=member)

    def _crowd(self, channel: str) -> Crowd | None:
        return self.channels[channel].crowd if channel in self.channels else None

    # ---- duties, for as long as a link holds

    async def _attach(self, link: Link) -> None:
        """Hear all channels that somebody here hears, and no others."""
        for channel in self.channels.values():
            channel.doubt()
        self._new, self._gone = dict(self.channels), {}
        self.is_up.set()
        async with asyncio.TaskGroup() as tasks:
            is_first = True
            while True:
                self._stirred.clear()
                gone, self._gone = [name for name in self._gone if name not in self.channels], {}
                for names in _portions(gone):
                    await unless_refused(within(CALL_S, link.detach(names)), f"{len(names)} channels stay attached")
                new, self._new = self._new, {}
                for names in _portions(list(new)):
                    for name, head in (await self._hear(link, names)).items():
                        if self.channels.get(name) is new[name]:
                            self._confirm(new[name], head)
                if is_first and not self._new:
                    tasks.create_task(self._freshen())
                    is_first = False
                with suppress(DeadlinePassed):  # what was refused is asked for again
                    await within(REFUSED_S if self._new else None, self._stirred.wait())

    async def _hear(self, link: Link, names: Sequence[str]) -> Mapping[str, Position]:
        """The heads of ``names``, but for those that the backend refuses: they keep no others waiting."""
        try:
            return await within(CALL_S, link.attach(names))
        except Unavailable as error:
            if not is_refusal(error):
                raise
            if len(names) == 1:
                self._refused(names[0], error)
                return {}
        middle = len(names) // 2
        return {**await self._hear(link, names[:middle]), **await self._hear(link, names[middle:])}

    def _refused(self, name: str, error: Unavailable) -> None:
        """Whoever wants to begin with the channel is told; those who hear it wait until it is attached again."""
        channel = self.channels.get(name)
        if channel is not None and channel.log is None:
            channel.refuse(error)
        elif channel is not None:
            self._new[name] = channel
            log.warning("channel %.60r is not heard: %s; trying again", name, error)

    def _confirm(self, channel: Channel, head: Position) -> None:
        channel.attached(head)
        if channel.crowd is None:
            channel.open()
        else:
            self.attendance.stir()
            self.spawn(self._review(channel, channel.crowd))

    async def _freshen(self) -> None:
        """Tell when everything has been read that was missed."""
        for channel in list(self.channels.values()):
            await channel.is_settled()
        self.fresh()

    async def _review(self, channel: Channel, crowd: Crowd) -> None:
        """Compare who is in a channel with what the backend knows."""
        if crowd.is_expecting:
            return
        try:
            crowd.expect()
            listed = await self.ask(lambda link: link.members(channel.name), ASK_S)
        except BaseException as error:  # a cancellation, too: the crowd would expect for ever, and never be compared again
            crowd.give_up()
            if not isinstance(error, Unavailable):
                raise
            log.debug("channel %.60r: its members were not read: %s; they will be, by the next link or audit", channel.name, error)
            return
        others = [present for present in listed if present.node != self.node]
        joined, left = crowd.compare([*others, *self.attendance.own(channel.name)], {*self.attendance.alive, self.node})
        for member in joined:
            channel.say("channel.joined", member=member)
        for member in left:
            channel.say("channel.left", member=member)
        channel.open()

    async def _audit(self, link: Link) -> None:
        """Now and then, see that no message was lost in silence. What nobody needs is forgotten then, too."""
        rounds = 0
        while True:
            await asyncio.sleep(uniform(0.75, 1.25) * AUDIT_S)
            rounds += 1
            before = {name: channel.log.last for name, channel in self.channels.items() if channel.log is not None}
            heads: dict[str, Position] = {}
            for names in _portions(list(before)):
                heads.update(await within(CALL_S, link.heads(names)))
            await asyncio.sleep(SETTLE_S)
            for name, head in heads.items():
                if name in self.channels:
                    self.channels[name].compare(head, before[name])
                    self.channels[name].rest()
            if rounds % REVIEW_EVERY == 0:
                for channel in list(self.channels.values()):
                    if channel.crowd is not None:
                        await self._review(channel, channel.crowd)


def _portions(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + MANY] for start in range(0, len(names), MANY))
