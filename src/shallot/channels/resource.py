"""``Channels``: what an app holds. A resource that brings the effects of channels, and that code outside conversations uses directly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from inspect import isawaitable
from secrets import token_hex
from types import TracebackType
from typing import Any, Self, cast

from ..codec.cursors import cursor_for
from ..codec.json import format_json
from ..errors import Forbidden, Unavailable
from ..types import AnyEffect, ChannelMessage, Mailbox, Published, ResourceEffect, SlowReader, Subscribed
from .contract import Backend, Position
from .cursor import check_channel, check_id, format_cursor, parse_cursor
from .hub import Hub
from .log import Node
from .presence import GRACE_S
from .reader import Reader
from .subscription import Subscription, Wish, open_reader
from .topics import Topic, Topics

__all__ = ["Channels"]

MAX_BATCH = 1000
MAX_HISTORY = 1000
MAX_MEMBER_BYTES = 8192
COUNTERS = "published", "duplicates", "repeats", "reads", "gaps", "skipped", "audits"


class Channels:
    """Channels over ``backend``: made by ``memory_channels``, ``redis_channels`` and the like. ``resources={"channels": channels}`` lets conversations
    and responses use its effects; ``request["config"]["channels"]`` is this object, for everybody else.

    ``topics``       settings by pattern of the channel's name, see ``shallot.channels.topics.Topic``; checked now
    ``node``         begins the name of this process among those of the backend; the rest is made up at each start, for the members of a process
                     that was killed are not those of the one that takes its place
    ``grace_s``      how long a member may be away before it has left (10 s)
    ``publish_s``    how long a publish may take, reconnecting included, before it is ``Unavailable`` (4 s)
    ``subscribe_s``  the same for a subscribe (4 s)
    ``start_s``      how long the backend may take to answer at the start, before the app does not start (10 s)
    """

    def __init__(
        self,
        backend: Backend,
        topics: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        node: str | None = None,
        grace_s: float = GRACE_S,
        publish_s: float = 4.0,
        subscribe_s: float = 4.0,
        start_s: float = 10.0,
    ) -> None:
        for name, value in (("grace_s", grace_s), ("publish_s", publish_s), ("subscribe_s", subscribe_s), ("start_s", start_s)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ValueError(f"channels: {name} must be a number of seconds, got {value!r}")
        self._backend = backend
        self._topics = Topics(topics, local=backend.caps.local)
        self._node = "" if node is None else f"{check_id(node, 'channels: node')}-"
        self._grace_s = grace_s
        self._publish_s = publish_s
        self._subscribe_s = subscribe_s
        self._start_s = start_s
        self._hub: Hub | None = None
        self.effects: Mapping[str, ResourceEffect] = {
            "channel.subscribe": self._subscribe,
            "channel.unsubscribe": self._unsubscribe,
            "channel.publish": self._publish,
            "channel.members": self._members,
            "channel.history": self._history,
        }
        """Kind -> the function that performs it."""

    # ---- life

    async def __aenter__(self) -> Self:
        if self._hub is not None:
            raise RuntimeError("these channels are entered already; make another object for another app")
        hub = self._hub = Hub(self._backend, self._topics, self._node + token_hex(8), self._grace_s)
        hub.start()
        try:
            async with asyncio.timeout(self._start_s):
                await hub.is_up.wait()
        except BaseException as error:  # a cancellation, too: who does not get in is not let out, and the hub's tasks would stay
            await self.__aexit__(None, None, None)
            if isinstance(error, TimeoutError):
                raise Unavailable(f"the channels' backend cannot be reached: {hub.line.failure!r}") from error
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        hub, self._hub = self._hub, None
        if hub is not None:
            await hub.stop()

    @property
    def _running(self) -> Hub:
        if self._hub is None:
            raise RuntimeError('channels are not entered: give them to build_server(resources={"channels": channels}), or use "async with channels"')
        return self._hub

    def stats(self) -> Mapping[str, int]:
        """Figures, for metrics: ``channels`` and ``readers`` now; since the start ``published``, ``duplicates``, ``repeats`` (told twice by the
        backend), ``reads``, ``gaps``, ``skipped`` (messages, by slow readers' policies), ``audits`` (that found something), ``links``."""
        hub = self._running
        readers = sum(len(channel.readers) for channel in hub.channels.values())
        counted = {name: hub.counters[name] for name in COUNTERS}
        return {"channels": len(hub.channels), "readers": readers, **counted, "links": hub.line.links}

    # ---- for everybody

    async def publish(self, channel: str, data: Any, id: str | None = None) -> Published:
        """Say ``data`` (what JSON can say) to all who hear ``channel``. Returns once the backend has stored it; ``Unavailable`` if it has not answered
        within ``publish_s``: then it may be stored or not, and is safe to repeat with the same ``id``."""
        hub, name = self._running, check_channel(channel)
        identity = token_hex(8) if id is None else check_id(id)
        topic = hub.topics.find(name)
        encoded = format_json(data)
        if len(encoded) > topic.max_bytes:
            raise ValueError(f"publish: a message of {name!r} has at most {topic.max_bytes} bytes as JSON, this one has {len(encoded)}")
        if name in hub.channels:
            await hub.channels[name].has_room()
        try:
            stored = await hub.ask(lambda link: link.publish(name, encoded, identity, topic.kept), self._publish_s)
        except Unavailable as error:
            raise Unavailable(f"publish to {name!r}: {error}; it may be stored or not, repeat it with id={identity!r}") from error
        hub.counters["duplicates" if stored.duplicate else "published"] += 1
        return {"cursor": format_cursor(stored.position), "duplicate": stored.duplicate}

    @asynccontextmanager
    async def subscription(
        self, channel: str, cursor: str | None = None, slow: SlowReader | None = None, batch: int | None = None, member: Mapping[str, Any] | None = None
    ) -> AsyncGenerator[Subscription, None]:
        """Hear ``channel`` outside a conversation: ``async with channels.subscription("orders") as messages: async for message in messages: ...``

        The same messages that a conversation gets. The iteration ends when the channels do, with ``messages.cursor`` to go on from; a reader that was
        too slow gets a ``CloseWith``. ``allow`` is not asked: this is your own code.
        """
        wish = self._wish(channel, cursor, slow, batch, member)
        subscription = Subscription(wish.channel)
        reader, subscription.result = await open_reader(self._running, wish, self._subscribe_s, subscription.begin, Reader.close)
        subscription.cursor = subscription.result["cursor"]
        try:
            yield subscription
        finally:
            await reader.close()

    async def members(self, channel: str) -> Mapping[str, Mapping[str, Any]]:
        """Who is in ``channel``, by id; ``ValueError`` on a channel without presence."""
        hub, name = self._running, check_channel(channel)
        if not hub.topics.find(name).presence:
            raise ValueError(_no_presence("members", name))
        return await hub.present(name, self._subscribe_s)

    async def history(self, channel: str, limit: int = 100, before: str | None = None) -> list[ChannelMessage]:
        """The last ``limit`` messages that are kept (older than the one with the cursor ``before``), oldest first. At most 1,000, and ``keep``."""
        hub, name = self._running, check_channel(channel)
        _check_int("history: 'limit'", limit, MAX_HISTORY)
        position = None if before is None else parse_cursor(before)
        if before is not None and position is None:
            raise ValueError(f"history: 'before' must be the cursor of a message, got {before!r:.60}")
        count = min(limit, hub.topics.find(name).keep)
        page = await hub.ask(lambda link: link.recent(name, position and position.offset, max(1, count)), self._subscribe_s)
        if count == 0 or (position is not None and position.epoch != page.head.epoch):
            return []
        nodes = [Node(Position(page.head.epoch, entry.offset, entry.id), entry.data, None, 0, 0, 0, 0.0) for entry in page.entries]
        return [cast(ChannelMessage, message) for node in nodes if (message := node.message(name)) is not None]

    # ---- effects

    async def _subscribe(self, effect: AnyEffect, scope: Any, mailbox: Mailbox) -> Subscribed:
        wish = self._wish(effect.get("channel"), effect.get("cursor"), effect.get("slow"), effect.get("batch"), effect.get("member"))
        if mailbox.is_open(("channel", wish.channel)):
            raise ValueError(f"channel.subscribe: {wish.channel!r} is subscribed already; unsubscribe first")
        await self._allow(scope, wish.channel)

        def begin(reader: Reader) -> None:
            mailbox.open(reader.key, reader, 1)

        async def end(reader: Reader) -> None:
            await mailbox.close(reader.key)

        return (await open_reader(self._running, wish, self._subscribe_s, begin, end))[1]

    async def _unsubscribe(self, effect: AnyEffect, scope: Any, mailbox: Mailbox) -> None:
        await mailbox.close(("channel", check_channel(effect.get("channel"))))

    async def _publish(self, effect: AnyEffect, scope: Any, mailbox: Mailbox) -> Published:
        if "data" not in effect:
            raise TypeError(f"channel.publish: expected 'data', got the keys {sorted(effect)}")
        return await self.publish(check_channel(effect.get("channel")), effect["data"], effect.get("id"))

    async def _members(self, effect: AnyEffect, scope: Any, mailbox: Mailbox) -> Mapping[str, Mapping[str, Any]]:
        await self._allow(scope, check_channel(effect.get("channel")))
        return await self.members(effect["channel"])

    async def _history(self, effect: AnyEffect, scope: Any, mailbox: Mailbox) -> list[ChannelMessage]:
        await self._allow(scope, check_channel(effect.get("channel")))
        return await self.history(effect["channel"], effect.get("limit", 100), effect.get("before"))

    async def _allow(self, scope: Any, channel: str) -> None:
        allow = self._running.topics.find(channel).allow
        if allow is not None:
            verdict = allow(scope, channel)
            if not (await verdict if isawaitable(verdict) else verdict):
                raise Forbidden(f"channel {channel!r} is not for this conversation")

    def _wish(self, channel: Any, cursor: Any, slow: Any, batch: Any, member: Any) -> Wish:
        """The options of a subscribe, checked."""
        topics, name = self._running.topics, check_channel(channel)
        topic = topics.find(name)
        if cursor is not None and not isinstance(cursor, str):
            raise TypeError(f"subscribe: 'cursor' must be a str, got {type(cursor).__name__}")
        identity, data = (None, b"") if member is None else _check_member(name, topic, member)
        size = 0 if batch is None else _check_int("subscribe: 'batch'", batch, MAX_BATCH)
        place = None if cursor is None else cursor_for(cursor, name)
        return Wish(name, place, topic.slow if slow is None else topics.check_slow(slow), size, identity, data)


def _check_member(channel: str, topic: Topic, member: Any) -> tuple[str, bytes]:
    if not topic.presence:
        raise ValueError(_no_presence("subscribe: member=", channel))
    if not isinstance(member, Mapping):
        raise TypeError(f"subscribe: 'member' must be a dict with an 'id', got {type(member).__name__}")
    fields = cast("Mapping[str, Any]", member)
    identity, data = check_id(fields.get("id"), "a member's id"), format_json(dict(fields))
    if len(data) > MAX_MEMBER_BYTES:
        raise ValueError(f"subscribe: a member has at most {MAX_MEMBER_BYTES} bytes as JSON, this one has {len(data)}")
    return identity, data


def _check_int(what: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be an int, got {value!r}")
    if not 1 <= value <= most:
        raise ValueError(f"{what} must be from 1 to {most}, got {value}")
    return value


def _no_presence(what: str, channel: str) -> str:
    return f"{what} channel {channel!r} has no presence; give its pattern {{'presence': True}} in topics"
