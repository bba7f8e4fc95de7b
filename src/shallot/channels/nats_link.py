"""A link to NATS JetStream: what each function of the contract asks of it. Knows no client library."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from time import time
from typing import Any

from ..errors import Unavailable
from .contract import Entry, Gap, Kept, LinkLost, Page, Position, Present, Sink, Stored, is_refusal, judge
from .jetstream import EXPECTED, Record, Streams, format_epoch, format_headers, format_reminder, parse_record, parse_token
from .nats_wire import WRONG_LAST, Subscription, Wire

__all__ = ["NatsLink", "raise_limits"]

LOST_NODE_S = 60.0
"""How long a lease has been over before its node's members are deleted: until then the node may come back."""
REMINDERS = 16
"""So many channels at a time are reminded of where they are; an audit comes every ten seconds, and there is half a day."""
MARKS = 3
"""So many births and reminders there may be among the messages of a channel."""
HEADER_ROOM = 1024
"""What our headers take of a message, at most."""
PRESENCE = 4
"""So many dots has a subject that tells of a member; of a message it has one fewer."""


class Ear:
    """What is heard of one channel. ``last`` is the number of its newest message that is known (0: none is), ``head`` the position after it."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.last = 0
        self.head: Position | None = None


class NatsLink:
    """A link to NATS."""

    def __init__(self, streams: Streams, wire: Wire, sink: Sink, epochs: Mapping[str, str]) -> None:
        self._streams = streams
        self._wire = wire
        self._sink = sink
        self._epochs = epochs
        self._ears: dict[str, Ear] = {}

    # ---- messages

    async def publish(self, channel: str, data: bytes, id: str, kept: Kept) -> Stored:
        streams, most = self._streams, self._wire.max_payload
        if kept.keep > streams.max_keep or 10 * kept.ttl_s > streams.max_age_s or kept.dedupe_s > streams.dedupe_s:
            raise ValueError(f"publish to {channel!r}: {kept} is more than the streams of this backend hold: max_keep, max_ttl_s, dedupe_s")
        if len(data) + HEADER_ROOM > most:
            raise ValueError(f"publish to {channel!r}: {len(data)} bytes are too many for the NATS server's max_payload of {most}; raise it there")
        answer = await self._wire.store(streams.said(channel), data, format_headers(channel, id, kept))
        return Stored(Position(self._epoch(channel), answer["seq"], id), duplicate=answer.get("duplicate", False))

    async def attach(self, channels: Sequence[str]) -> Mapping[str, Position]:
        for channel in channels:
            if channel not in self._ears:
                self._ears[channel] = Ear(await self._wire.hear(self._streams.live(channel), partial(self._hear, channel)))
        # The same connection brings these questions, after the subscriptions, to where the messages are: what is stored after an answer is told.
        newest = await asyncio.gather(*map(self._begin, channels))
        await self._verify(channels)
        for channel, last in zip(channels, newest, strict=True):
            if channel in self._ears:
                ear = self._ears[channel]
                ear.last, ear.head = max(ear.last, last.number), self._position(channel, last)
        return {channel: self._position(channel, last) for channel, last in zip(channels, newest, strict=True)}

    async def detach(self, channels: Sequence[str]) -> None:
        for channel in channels:
            if channel in self._ears:
                await self._wire.unhear(self._ears.pop(channel).subscription)

    async def read(self, channel: str, after: Position | None, limit: int) -> Page:
        _, last = await asyncio.gather(self._verify([channel]), self._last(channel))
        head = self._position(channel, last)
        gap: Gap = ""
        if after is not None and last is not None:
            gap, page = await self._follow(channel, after, limit, last, head)
            if page is not None:
                return page
        elif after is not None:
            gap = judge(after, head, None, None)
        kept = await self._kept(channel, last)
        return Page(head, await self._entries(channel, kept[:limit]), gap)

    async def _follow(self, channel: str, after: Position, limit: int, last: Record, head: Position) -> tuple[Gap, Page | None]:
        """The messages after ``after``, if it holds; else why it does not."""
        if after == head:
            return "", Page(head, [])
        there = await self._at(channel, after.offset) if after.epoch == head.epoch and 0 < after.offset < head.offset else None
        at = None if there is None or (there.id and not after.id) else there.id
        gap = judge(after, head, at, None, contiguous=False)
        if gap not in ("", "trimmed"):
            return gap, None
        found = await self._wire.scan(self._streams.log(channel), self._streams.said(channel), after.offset + 1, limit + MARKS)
        if gap and not (found.records and _is_next(found.records[0], after)):
            return gap, None
        told = [record for record in found.records if record.id]
        if found.total - len(found.records) + len(told) > last.keep + 1 or (told and told[0].time <= found.now - last.ttl_s):
            return "trimmed", None
        return "", Page(head, _entries(told[:limit]))

    async def recent(self, channel: str, before: int | None, limit: int) -> Page:
        _, last = await asyncio.gather(self._verify([channel]), self._last(channel))
        wanted = [record for record in await self._kept(channel, last) if before is None or record.number < before]
        return Page(self._position(channel, last), await self._entries(channel, wanted[-limit:]))

    async def heads(self, channels: Sequence[str]) -> Mapping[str, Position]:
        found = dict(zip(channels, await asyncio.gather(*map(self._last, channels)), strict=True))
        await self._verify(channels)
        latest = time() - self._streams.max_age_s / 2
        fading = [(channel, last) for channel, last in found.items() if last is not None and last.time < latest]
        await asyncio.gather(*(self._remind(channel, last) for channel, last in fading[:REMINDERS]))
        return {channel: self._position(channel, last) for channel, last in found.items()}

    async def _remind(self, channel: str, last: Record) -> None:
        """Say again where a channel is, before that is too old to be kept: somebody hears it."""
        found = await self._wire.scan(self._streams.log(channel), self._streams.said(channel), last.number, 1, headers_only=True)
        if last.time >= found.now - self._streams.max_age_s / 2:  # by the server's clock, which counts
            return
        try:
            await self._wire.store(self._streams.said(channel), b"", format_reminder(last), allow=WRONG_LAST)
        except Unavailable as error:
            if not is_refusal(error):  # else there may be room for it the next time
                raise

    async def ping(self) -> None:
        """The connection holds, and the streams are the ones they were."""
        await asyncio.gather(*(self._verify_stream(stream) for stream in self._epochs))

    # ---- presence

    async def lease(self, node: str, ttl_s: float) -> Mapping[str, float]:
        await self._wire.store(self._streams.node(node), repr(ttl_s).encode(), {})
        leases, newest = await self._leases()
        for other, left in leases.items():
            if left < -LOST_NODE_S:
                for subject in (self._streams.members_of(other), self._streams.node(other)):
                    await self._wire.ask("STREAM.PURGE", self._streams.here, filter=subject, seq=newest)
        return {other: left for other, left in leases.items() if left > 0}

    async def join(self, channel: str, node: str, members: Mapping[str, bytes]) -> None:
        await asyncio.gather(*(self._wire.store(self._streams.member(channel, node, member), data, {}) for member, data in members.items()))

    async def leave(self, channel: str, node: str, members: Collection[str]) -> None:
        await asyncio.gather(*(self._dismiss(self._streams.member(channel, node, member)) for member in members))

    async def members(self, channel: str) -> Sequence[Present]:
        # In this order: a node renews its lease before it joins, so who is found without one has none.
        found = await self._wire.scan(self._streams.here, self._streams.members(channel), 0)
        leases, _ = await self._leases()
        present = [Present(*_owner(record.subject), record.data) for record in found.records if record.data]
        return [one for one in present if leases.get(one.node, 0) > 0]

    async def _dismiss(self, subject: str) -> None:
        """Say that a member has left, and forget it; unless somebody else has changed it meanwhile: then look again."""
        while (last := await self._wire.find(self._streams.here, last_by_subj=subject)) is not None and last.data:
            answer = await self._wire.store(subject, b"", {EXPECTED: str(last.number)}, allow=WRONG_LAST)
            if "error" not in answer:
                await self._wire.ask("STREAM.PURGE", self._streams.here, filter=subject, seq=answer["seq"] + 1)

    async def _leases(self) -> tuple[dict[str, float], int]:
        """The seconds that each node's lease has left, and the newest number among them."""
        found = await self._wire.scan(self._streams.here, self._streams.nodes(), 0)
        left = {parse_token(record.subject.split(".")[-1]): record.time + float(record.data) - found.now for record in found.records}
        return left, max((record.number for record in found.records), default=0)

    # ---- inside

    def _hear(self, channel: str, subject: str, headers: Mapping[str, str], data: bytes) -> None:
        """What the server repeats. ``Nats-Last-Sequence`` is the number of the one before under the same subject."""
        if subject.count(".") == PRESENCE:
            self._tell_presence(channel, *_owner(subject), data)
            return
        try:
            record = parse_record(int(headers["Nats-Sequence"]), subject, headers, data, 0)
            before = int(headers["Nats-Last-Sequence"])
        except (KeyError, ValueError):  # not what the server says
            self._sink.hint(channel)
            return
        ear = self._ears.get(channel)
        if ear is None:
            return
        if 0 < ear.last < before:
            self._sink.hint(channel)
        ear.last = max(ear.last, record.number)
        if record.id:
            ear.head = Position(self._epoch(channel), record.number, record.id)
            self._sink.message(channel, ear.head.epoch, Entry(record.number, record.id, data))

    def _tell_presence(self, channel: str, node: str, member: str, data: bytes) -> None:
        if data:
            self._sink.joined(channel, Present(node, member, data))
        else:
            self._sink.left(channel, node, member)

    def _epoch(self, channel: str) -> str:
        return self._epochs[self._streams.log(channel)]

    async def _verify(self, channels: Collection[str]) -> None:
        """Are the streams of ``channels`` still the ones they were? One that was made anew gives the old numbers to other messages."""
        await asyncio.gather(*(self._verify_stream(stream) for stream in {self._streams.log(channel) for channel in channels}))

    async def _verify_stream(self, stream: str) -> None:
        info = await self._wire.ask("STREAM.INFO", stream)
        if format_epoch(info["created"]) != self._epochs[stream]:
            raise LinkLost(f"nats: the stream {stream} was made anew")
        await raise_limits(self._wire, self._streams, stream, info["config"])

    async def _last(self, channel: str) -> Record | None:
        return await self._wire.find(self._streams.log(channel), last_by_subj=self._streams.said(channel))

    async def _begin(self, channel: str) -> Record:
        """The newest of a channel that is heard from now on. Where nothing was ever said, its birth is stored, to be found there again."""
        while (last := await self._last(channel)) is None:
            await self._wire.store(self._streams.said(channel), b"", {EXPECTED: "0"}, allow=WRONG_LAST)
        return last

    def _position(self, channel: str, last: Record | None) -> Position:
        """Where nothing stands any more, it is where this link has seen it."""
        epoch = self._epoch(channel)
        if last is not None:
            return Position(epoch, *last.place)
        ear = self._ears.get(channel)
        return Position(epoch, 0, "") if ear is None or ear.head is None else ear.head

    async def _at(self, channel: str, number: int) -> Record | None:
        found = await self._wire.find(self._streams.log(channel), seq=number)
        return found if found is not None and found.subject == self._streams.said(channel) else None

    async def _kept(self, channel: str, last: Record | None) -> Sequence[Record]:
        """All messages that count as kept, without their data: what stands in the stream beside them is forgotten."""
        if last is None:
            return []
        found = await self._wire.scan(self._streams.log(channel), self._streams.said(channel), 0, headers_only=True)
        messages = [record for record in found.records if record.id and record.time > found.now - last.ttl_s]
        return messages[-last.keep - 1 :]

    async def _entries(self, channel: str, wanted: Sequence[Record]) -> Sequence[Entry]:
        """``wanted``, which follow one another, with their data."""
        if not wanted:
            return []
        found = await self._wire.scan(self._streams.log(channel), self._streams.said(channel), wanted[0].number, len(wanted))
        return _entries(found.records)


async def raise_limits(wire: Wire, streams: Streams, stream: str, config: Mapping[str, Any]) -> None:
    """Another app that asks for less may write an older state over ours: so this is looked at again and again."""
    raised = streams.raised(stream, config)
    if raised is not None:
        await wire.ask("STREAM.UPDATE", stream, **raised)


def _owner(subject: str) -> tuple[str, str]:
    """The node and the member."""
    *_, node, member = subject.split(".")
    return parse_token(node), parse_token(member)


def _is_next(record: Record, after: Position) -> bool:
    """Is ``record`` the first there ever was after this position, which may be one between messages?"""
    return record.place == after[1:] or (not after.id and record.number == after.offset + 1)


def _entries(records: Sequence[Record]) -> Sequence[Entry]:
    return [Entry(record.number, record.id, record.data) for record in records if record.id]
