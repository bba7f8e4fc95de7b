"""Subscriptions: how a reader gets its place, its mailbox and its member, and the one that code outside conversations iterates."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Self

from ..deadline import DeadlinePassed, within
from ..errors import CloseWith, EffectRefused, Unavailable
from ..types import SlowReader, Subscribed
from .channel import Channel
from .hub import Hub
from .reader import Reader
from .recovery import find_place

__all__ = ["Subscription", "Wish", "open_reader"]

GOING = 1012
"""The close code for the end of the channels themselves: go on elsewhere."""


class Wish(NamedTuple):
    """What a subscribe asks for, checked."""

    channel: str
    cursor: str | None
    slow: SlowReader
    batch: int
    """0: one message at a time."""
    member: str | None
    data: bytes
    """The member as JSON."""


class Subscription:
    """An async iterator of one ``channel``'s messages. ``cursor`` is where to go on after the last one; ``result`` what ``subscribe`` gives."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self._stirred = asyncio.Event()
        self._reader: Reader | None = None
        self.result: Subscribed = {"cursor": "", "recovered": False, "missed": 0}
        self.cursor = ""

    def begin(self, reader: Reader) -> None:
        self._reader = reader
        reader.open(self._wake, 1)

    def _wake(self, first: bool = False) -> None:
        self._stirred.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Mapping[str, Any]:
        """The next message; the end of the iteration is the end of the channels (the app's shutdown)."""
        while self._reader is not None:
            self._stirred.clear()
            try:
                message = self._reader.take()
            except CloseWith as end:
                if end.code == GOING:
                    break
                raise
            if message is not None:
                self.cursor = message.get("cursor", self.cursor)
                return message
            await self._stirred.wait()
        raise StopAsyncIteration


async def open_reader(
    hub: Hub, wish: Wish, seconds: float, begin: Callable[[Reader], None], end: Callable[[Reader], Awaitable[None]]
) -> tuple[Reader, Subscribed]:
    """A reader at its place, with its member in the channel. ``begin`` lets it join a mailbox, ``end`` takes it out again."""
    channel = await hub.hold(wish.channel, seconds)
    try:
        reader, result = await _enter(hub, channel, wish, seconds, begin)
    finally:
        channel.users -= 1
        channel.drop()
    if wish.member is not None:
        try:
            await _appear(hub, channel, wish, wish.member, seconds)
        except BaseException:  # a cancellation, too: the caller has no reader yet that it could close
            await end(reader)
            raise
        if reader in channel.readers:
            reader.member = wish.member
        else:
            hub.depart(wish.channel, wish.member)
    return reader, result


async def _enter(hub: Hub, channel: Channel, wish: Wish, seconds: float, begin: Callable[[Reader], None]) -> tuple[Reader, Subscribed]:
    if channel.log is None:
        raise Unavailable(f"channel {channel.name!r} is not attached: {channel.refusal}") from channel.refusal
    try:
        place = await within(seconds, find_place(channel, channel.log, hub, wish.cursor))
    except DeadlinePassed as error:
        raise Unavailable(f"channel {channel.name!r}: what was missed could not be read within {seconds:g} s") from error
    reader = Reader(channel, place.node, slow=wish.slow, batch=wish.batch, gap=place.gap)
    begin(reader)
    channel.enter(reader)
    return reader, place.result


async def _appear(hub: Hub, channel: Channel, wish: Wish, member: str, seconds: float) -> None:
    if hub.attendance.is_full(channel.name, member, channel.topic.max_members):
        raise EffectRefused(f"channel {channel.name!r} has {channel.topic.max_members} members on this machine already (the topic's max_members)")
    await hub.attendance.enter(channel.name, member, wish.data, seconds)
