"""Presence: who is in a channel. Each node owns its members, and holds a lease; a member is there for as long as any node that owns it.
``Crowd`` is the pure part, one per channel; ``Attendance`` is the node's: its own members, its lease, and the others' ends."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

from ..codec.json import parse_json
from ..deadline import within
from ..errors import Unavailable
from .contract import CALL_S, Link, Present

__all__ = ["GRACE_S", "LEASE_S", "RENEW_S", "Attendance", "Crowd", "Hall"]

log = logging.getLogger("shallot.channels")

T = TypeVar("T")

LEASE_S = 15.0
"""How long a node that is silent counts as alive,"""
RENEW_S = 5.0
"""and how often it says that it is."""
GRACE_S = 10.0
"""How long a member may be away before it has left."""
RESIGN_S = 1.0
"""How long the end of the lease may take."""
MANY = 256
"""How many members are written at a time."""


class Crowd:
    """Who is in one channel, as far as this node knows: each member, the nodes that own it, and what it says of itself."""

    __slots__ = ("_owners", "_touched", "shown")

    def __init__(self) -> None:
        self._owners: dict[str, set[str]] = {}
        self._touched: set[tuple[str, str]] | None = None
        self.shown: dict[str, Mapping[str, Any]] = {}
        """By id: what ``members()`` gives."""

    def add(self, present: Present) -> Mapping[str, Any] | None:
        """The member, if it was not there before."""
        if self._touched is not None:
            self._touched.add((present.node, present.member))
        member = _read(present)
        if member is None:
            return None
        owners = self._owners.setdefault(present.member, set())
        is_new = not owners
        owners.add(present.node)
        self.shown[present.member] = member
        return member if is_new else None

    def remove(self, node: str, identity: str) -> Mapping[str, Any] | None:
        """The member, if it is not there any more."""
        if self._touched is not None:
            self._touched.add((node, identity))
        owners = self._owners.get(identity, set())
        if node not in owners:
            return None
        owners.discard(node)
        if owners:
            return None
        del self._owners[identity]
        return self.shown.pop(identity)

    def of(self, node: str) -> list[str]:
        return [identity for identity, owners in self._owners.items() if node in owners]

    def nodes(self) -> set[str]:
        return {node for owners in self._owners.values() for node in owners}

    def expect(self) -> None:
        """A list of all is on its way: what is told from now on is newer than it."""
        self._touched = set()

    def give_up(self) -> None:
        """It will not come."""
        self._touched = None

    @property
    def is_expecting(self) -> bool:
        return self._touched is not None

    def compare(self, listed: Sequence[Present], alive: Collection[str]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
        """Who joined and who left, by the list: nodes that are not ``alive`` keep their members, their end is another matter."""
        touched, self._touched = self._touched or set(), None
        here = {(present.node, present.member) for present in listed}
        joined = [member for present in listed if (present.node, present.member) not in touched and (member := self.add(present)) is not None]
        gone = [(node, identity) for identity, owners in self._owners.items() for node in owners if node in alive]
        left = [member for key in gone if key not in here and key not in touched and (member := self.remove(*key)) is not None]
        return joined, left


def _read(present: Present) -> Mapping[str, Any] | None:
    try:
        member = parse_json(present.data)
    except ValueError:
        member = None
    if not isinstance(member, dict) or member.get("id") != present.member:  # pyright: ignore[reportUnknownMemberType]
        log.warning("the backend holds a member %.60r that is not ours; dropped", present.member)
        return None
    return member  # pyright: ignore[reportUnknownVariableType]


class Hall(Protocol):
    """What a node's attendance needs of the node."""

    node: str

    @property
    def now(self) -> Callable[[], float]: ...

    async def ask(self, use: Callable[[Link], Coroutine[Any, Any, T]], seconds: float) -> T: ...

    def crowds(self) -> Iterable[tuple[str, Crowd]]:
        """Every channel with presence that is heard here."""
        ...

    def tell(self, channel: str, kind: str, member: Mapping[str, Any]) -> None: ...


class Attendance:
    """The members of this node, and its lease. ``enter`` and ``depart`` are called for each socket; ``serve`` does what a link allows."""

    def __init__(self, hall: Hall, grace_s: float) -> None:
        self._hall = hall
        self._grace_s = grace_s
        self._own: dict[str, dict[str, tuple[int, bytes]]] = {}
        """Channel -> member -> how many sockets, and what it says of itself."""
        self._leaving: OrderedDict[tuple[str, str], float] = OrderedDict()
        """Members without a socket, and when they have left; the first is due first."""
        self._lost: dict[str, float] = {}
        """Nodes whose lease has ended, and when their members have left."""
        self._renewed_at: float | None = None
        self._stirred = asyncio.Event()
        self.alive: Mapping[str, float] = {}
        """Nodes whose lease holds, with the seconds that it had left."""

    # ---- for subscriptions

    def is_full(self, channel: str, member: str, bound: int) -> bool:
        """Has this node brought ``bound`` members to ``channel`` already, and is ``member`` none of them?"""
        own = self._own.get(channel, {})
        return len(own) >= bound and member not in own

    async def enter(self, channel: str, member: str, data: bytes, seconds: float) -> None:
        """One more socket of ``member``; returns when the backend has stored it."""
        own = self._own.setdefault(channel, {})
        sockets, before = own.get(member, (0, b""))
        own[member] = sockets + 1, data
        self._leaving.pop((channel, member), None)
        self._stirred.set()
        if data != before:
            try:
                if self._renewed_at is None:
                    await self._hall.ask(self._renew, seconds)
                await self._hall.ask(lambda link: link.join(channel, self._hall.node, {member: data}), seconds)
            except BaseException:  # a cancellation, too: who did not come in is nobody's member
                self.depart(channel, member)
                if own[member][0]:  # another socket of the member's relies on this one: say again who is here
                    self._renewed_at = None
                    self._stirred.set()
                raise

    def depart(self, channel: str, member: str) -> None:
        """One socket of ``member`` fewer; without any, and after the grace, it has left."""
        sockets, data = self._own[channel][member]
        self._own[channel][member] = sockets - 1, data
        if sockets == 1:
            self._leaving[channel, member] = self._hall.now() + self._grace_s
            self._stirred.set()

    async def resign(self) -> None:
        """End the lease at once: the others need not wait for it. Their grace covers members who come back elsewhere."""
        if self._renewed_at is not None:
            try:
                await self._hall.ask(lambda link: link.lease(self._hall.node, 0), RESIGN_S)
            except Unavailable as error:
                log.debug("the lease was not ended: %s; it will end by itself", error)

    # ---- with a link

    async def serve(self, link: Link) -> None:
        """Keep the lease, and end what is over, for as long as ``link`` holds. On a new link, say first who is here."""
        is_new = True
        while True:
            self._stirred.clear()
            now = self._hall.now()
            if not self._is_needed():
                self._renewed_at, self._lost = None, {}
            elif is_new or self._renewed_at is None or now >= self._renewal():
                has_lapsed = is_new or self._renewed_at is None or now - self._renewed_at >= LEASE_S
                await within(CALL_S, self._renew(link))
                if has_lapsed:  # the others may have taken this node's members for gone
                    await self._rejoin(link)
                is_new = False
            await self._dismiss(link)
            try:
                async with asyncio.timeout(self._pause()):
                    await self._stirred.wait()
            except TimeoutError:
                continue

    def own(self, channel: str) -> list[Present]:
        return [Present(self._hall.node, member, data) for member, (_, data) in self._own.get(channel, {}).items()]

    def stir(self) -> None:
        """A channel with presence is heard, or no more."""
        self._stirred.set()

    def _is_needed(self) -> bool:
        return bool(self._own) or any(True for _ in self._hall.crowds())

    def _renewal(self) -> float:
        """When to ask for the lease again: every so often, as soon as another node's may have ended, and before the members of one are taken for gone."""
        others = [left for node, left in self.alive.items() if node != self._hall.node]
        return min([(self._renewed_at or 0) + min([RENEW_S, *(max(left + 0.1, 0.5) for left in others)]), *self._lost.values()])

    def _pause(self) -> float | None:
        dues = [] if self._renewed_at is None else [self._renewal()]
        dues += islice(self._leaving.values(), 1)
        return max(0.0, min(dues) - self._hall.now()) if dues else None

    async def _renew(self, link: Link) -> None:
        self.alive = await link.lease(self._hall.node, LEASE_S)
        self._renewed_at = now = self._hall.now()
        gone = {node for _, crowd in self._hall.crowds() for node in crowd.nodes()} - set(self.alive)
        self._lost = {node: self._lost.get(node, now + self._grace_s) for node in gone}
        self._bury(now)

    async def _rejoin(self, link: Link) -> None:
        for channel in list(self._own):
            own = self.own(channel)
            for start in range(0, len(own), MANY):
                await within(CALL_S, link.join(channel, self._hall.node, {one.member: one.data for one in own[start : start + MANY]}))

    async def _dismiss(self, link: Link) -> None:
        """Members whose grace is over leave. What the backend has not confirmed is done again."""
        now, due = self._hall.now(), dict[str, dict[str, bytes]]()
        for (channel, member), until in self._leaving.items():
            if until > now or sum(map(len, due.values())) >= MANY:
                break
            due.setdefault(channel, {})[member] = self._own[channel].pop(member)[1]
        try:
            for channel, members in list(due.items()):
                await within(CALL_S, link.leave(channel, self._hall.node, members))
                del due[channel]
                back = {member: self._own[channel][member][1] for member in members if member in self._own[channel]}
                for member in members.keys() - back.keys():
                    del self._leaving[channel, member]
                if not self._own[channel]:
                    del self._own[channel]
                if back:  # they came back meanwhile: whichever of the two was last at the backend, this is
                    await within(CALL_S, link.join(channel, self._hall.node, back))
        except BaseException:  # a cancellation, too: what the backend was not told is told again
            for channel, members in due.items():
                for member, data in members.items():
                    self._own[channel].setdefault(member, (0, data))
            raise

    def _bury(self, now: float) -> None:
        """The members of nodes that are gone for good leave. Only where it has just been heard who is alive: a node may be back."""
        for node in [node for node, until in self._lost.items() if until <= now]:
            del self._lost[node]
            for channel, crowd in self._hall.crowds():
                for identity in crowd.of(node):
                    member = crowd.remove(node, identity)
                    if member is not None:
                        self._hall.tell(channel, "channel.left", member)
