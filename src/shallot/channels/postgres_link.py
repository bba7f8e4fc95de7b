"""A link to PostgreSQL: what each function of the contract asks of it. Knows no client library."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from zlib import crc32

from .contract import Entry, Kept, Page, Position, Present, Sink, Stored, judge
from .postgres_schema import NOTIFY_BYTES, Statements
from .postgres_wire import Desk, failure

__all__ = ["PostgresLink"]

SHARDS = 16
"""Into so many notification channels ours are spread: who hears none of a shard is not woken by it."""
INLINE_BYTES = 7_500
"""A message that is longer, encoded, is not part of its notification: who hears it reads it."""
BATCH = 256
"""How many messages are stored in one transaction,"""
BATCH_BYTES = 4 * 1_048_576
"""and how many bytes. Commits that notify wait for one another in all of PostgreSQL: few large ones are better."""
TOUCH_S = 1200.0
"""How often the need is written down."""
LONG_S = 1e9
"""Longer times are as good as this one: PostgreSQL's calendar ends."""
LAST_NUMBER = 2**63 - 1


class Letter(NamedTuple):
    """A message on its way. ``word`` is what its notification says, but for its position."""

    ear: str
    channel: bytes
    id: str
    data: bytes
    kept: Kept
    word: str
    answer: asyncio.Future[Stored]


class PostgresLink:
    """A link to PostgreSQL."""

    def __init__(self, schema: str, statements: Statements, sink: Sink, ear: Desk, pen: Desk, eye: Desk) -> None:
        self._schema = schema
        self._ask = statements
        self._sink = sink
        self._ear, self._pen, self._eye = ear, pen, eye
        self._attached: set[str] = set()
        self._listening: set[str] = set()
        self._letters: list[Letter] = []
        self._is_posting = False

    # ---- publishing

    async def publish(self, channel: str, data: bytes, id: str, kept: Kept) -> Stored:
        word = _format_word(channel, id, data)
        if len(word) > INLINE_BYTES:
            word = _format_word(channel, id)
        answer: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        self._letters.append(Letter(self._shard(channel), channel.encode(), id, data, kept, word, answer))
        if not self._is_posting:
            self._is_posting = True
            self._pen.use(self._post)
        return await answer

    async def _post(self, connection: Any) -> None:
        """Store what waits, in one transaction. All nodes take the heads in the same order, so none waits for another in a circle."""
        letters = sorted(self._take_letters(), key=lambda letter: letter[:2])
        rows = [(letter.channel, letter.id.encode(), letter.data, *_bounds(letter.kept), letter.ear, letter.word) for letter in letters]
        try:
            stored = await connection.fetch(self._ask.publish, *map(list, zip(*rows, strict=True)))
        except Exception as error:
            for letter in letters:
                if not letter.answer.done():
                    letter.answer.set_exception(failure(error))
            return
        finally:
            self._is_posting = bool(self._letters)
            if self._is_posting:
                self._pen.use(self._post)
        for letter, (epoch, number, is_known) in zip(letters, stored, strict=True):
            if not letter.answer.done():  # or whoever published has gone
                letter.answer.set_result(Stored(Position(epoch, number, letter.id), duplicate=is_known))

    def _take_letters(self) -> list[Letter]:
        size, count = 0, 0
        for letter in self._letters[:BATCH]:
            size += len(letter.data)
            count += 1
            if size > BATCH_BYTES:
                break
        letters, self._letters = self._letters[:count], self._letters[count:]
        return letters

    # ---- hearing

    async def attach(self, channels: Sequence[str]) -> Mapping[str, Position]:
        self._attached.update(channels)
        await self._ear.use(partial(self._listen, {self._shard(channel) for channel in channels}))
        return await self.heads(channels)

    async def detach(self, channels: Sequence[str]) -> None:
        """What is still told of them is not passed on; a link of many channels hears all shards anyway."""
        self._attached.difference_update(channels)

    async def _listen(self, ears: set[str], connection: Any) -> None:
        for ear in ears - self._listening:
            await connection.add_listener(ear, self._hear)
            self._listening.add(ear)

    def _hear(self, connection: object, process: int, ear: str, told: str) -> None:
        for line in told.split("\n"):
            kind, *words = line.split(" ")
            try:
                self._tell(kind, words)
            except (ValueError, IndexError):  # not ours
                continue

    def _tell(self, kind: str, words: list[str]) -> None:
        if kind == "m":
            epoch, number, name, identity, *data = words
            channel = _decoded(name)
            if not data:
                self._sink.hint(channel)
            elif channel in self._attached:
                self._sink.message(channel, epoch, Entry(int(number), _decoded(identity), b64decode(data[0])))
            return
        channel, node, member, *data = *map(_decoded, words[:3]), *words[3:]
        if channel not in self._attached:
            return
        if kind == "l":
            self._sink.left(channel, node, member)
        elif data:
            self._sink.joined(channel, Present(node, member, b64decode(data[0])))
        else:
            self._eye.use(partial(self._look, channel, node, member))

    async def _look(self, channel: str, node: str, member: str, connection: Any) -> None:
        """A member that was too long to be told."""
        data = await connection.fetchval(self._ask.member, channel.encode(), node.encode(), member.encode())
        if data is not None:
            self._sink.joined(channel, Present(node, member, data))

    async def poll(self, seconds: float) -> None:
        """Have the core look where a head is another one than the last time."""
        seen: Mapping[str, Position] = {}
        while True:
            await asyncio.sleep(seconds)
            heads = await self.heads(list(self._attached))
            for channel in [channel for channel, head in heads.items() if head != seen.get(channel)]:
                self._sink.hint(channel)
            seen = heads

    # ---- reading

    async def read(self, channel: str, after: Position | None, limit: int) -> Page:
        offset = -1 if after is None else after.offset
        rows = await self._found(channel, self._ask.read, min(offset, LAST_NUMBER - 1), limit)
        head, first, there = _head(rows[0]), rows[0]["first"], rows[0]["there"]
        oldest = first if first <= head.offset else None
        gap = judge(after, head, None if there is None else there.decode(), oldest) if after is not None else ""
        if gap:
            return (await self.read(channel, None, limit))._replace(gap=gap)
        return Page(head, list(_entries(rows)))

    async def recent(self, channel: str, before: int | None, limit: int) -> Page:
        rows = await self._found(channel, self._ask.recent, LAST_NUMBER if before is None else before, limit)
        return Page(_head(rows[0]), list(_entries(rows)))

    async def heads(self, channels: Sequence[str]) -> Mapping[str, Position]:
        names = {channel.encode() for channel in channels}
        found: Sequence[Any] = []
        while len(found) < len(names):
            found = await self._eye.fetch(self._ask.heads, list(names), TOUCH_S)
        if fading := [row["channel"] for row in found if row["fades"]]:
            await self._eye.fetch(self._ask.touch, fading)
        return {row["channel"].decode(): _head(row) for row in found}

    async def _found(self, channel: str, statement: str, *arguments: object) -> Sequence[Any]:
        """The rows of a channel, which begins to be one now if it was none."""
        while not (rows := await self._eye.fetch(statement, channel.encode(), *arguments)):
            await self.heads([channel])
        return rows

    # ---- presence

    async def lease(self, node: str, ttl_s: float) -> Mapping[str, float]:
        rows = await self._pen.fetch(self._ask.lease, node.encode(), ttl_s)
        return {row["node"].decode(): row["remaining"] for row in rows if row["remaining"] > 0}

    async def join(self, channel: str, node: str, members: Mapping[str, bytes]) -> None:
        words = [_format_presence("j", channel, node, member, data) for member, data in members.items()]
        short = [word if len(word) <= INLINE_BYTES else word.rpartition(" ")[0] for word in words]
        identities = [member.encode() for member in members]
        await self._pen.fetch(self._ask.join, channel.encode(), node.encode(), identities, list(members.values()), self._shard(channel), _packed(short))

    async def leave(self, channel: str, node: str, members: Collection[str]) -> None:
        identities = [member.encode() for member in members]
        word = _format_presence("l", channel, node, "")
        await self._pen.fetch(self._ask.leave, channel.encode(), node.encode(), identities, self._shard(channel), word)

    async def members(self, channel: str) -> Sequence[Present]:
        rows = await self._eye.fetch(self._ask.members, channel.encode())
        return [Present(row["node"].decode(), row["member"].decode(), row["data"]) for row in rows]

    async def ping(self) -> None:
        await asyncio.gather(*(desk.fetch("SELECT 1") for desk in (self._ear, self._pen, self._eye)))

    def _shard(self, channel: str) -> str:
        """The notification channel: of names as long as ours PostgreSQL would forget the end."""
        return f"{self._schema}_{crc32(channel.encode()) % SHARDS}"


def _bounds(kept: Kept) -> tuple[int, float, float]:
    return kept.keep, min(kept.ttl_s, LONG_S), min(kept.dedupe_s, LONG_S)


def _format_word(channel: str, identity: str, *data: bytes) -> str:
    return " ".join(map(_encoded, (channel.encode(), identity.encode(), *data)))


def _format_presence(kind: str, channel: str, node: str, member: str, *data: bytes) -> str:
    return " ".join([kind, *map(_encoded, (channel.encode(), node.encode(), member.encode(), *data))])


def _packed(words: Sequence[str]) -> list[str]:
    """As few notifications as hold them all."""
    packed: list[str] = []
    for word in words:
        if packed and len(packed[-1]) + len(word) < NOTIFY_BYTES:
            packed[-1] += "\n" + word
        else:
            packed.append(word)
    return packed


def _encoded(data: bytes) -> str:
    return b64encode(data).decode()


def _decoded(text: str) -> str:
    return b64decode(text).decode()


def _head(row: Any) -> Position:
    return Position(row["epoch"], row["number"], row["id"].decode())


def _entries(rows: Sequence[Any]) -> Iterator[Entry]:
    return (Entry(row["of"], row["named"].decode(), row["data"]) for row in rows if row["of"] is not None)
