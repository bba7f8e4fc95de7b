"""The log of one channel on one node: a chain that all its readers share, each with a place in it. What nobody needs any more is freed by itself.
Pure bookkeeping: waits for nothing, starts nothing, knows no backend."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import islice, takewhile
from math import inf
from typing import Any

from ..codec.json import format_json, parse_json
from .contract import Entry, Position
from .cursor import format_cursor

__all__ = ["WINDOW_S", "Log", "Node", "batch_of", "mark"]

log = logging.getLogger("shallot.channels")

WINDOW_S = 30.0
"""For how long a node remembers what all its readers have taken: who comes back within it needs nothing of the backend."""


class Node:
    """A link of the chain: a message, or a word of control (a gap, who joined, who left, stale, fresh). ``position`` is the channel's after it."""

    __slots__ = ("_cursor", "born", "control", "count", "data", "first", "next", "position", "ready", "seq", "size")

    def __init__(self, position: Position, data: bytes | None, control: Mapping[str, Any] | None, seq: int, count: int, size: int, born: float) -> None:
        self.position = position
        self.data = data
        self.control = control
        self.seq = seq
        """How many links the chain had until here,"""
        self.count = count
        """how many messages,"""
        self.size = size
        """and how many bytes."""
        self.born = born
        self.first: int | None = None
        """Of a message that stood in the chain before, and is told again after a gap: how many links there were then."""
        self.next: Node | None = None
        self._cursor: str | None = None
        self.ready: dict[str, Any] | None = None
        """The message, once somebody has asked for it."""

    @property
    def cursor(self) -> str:
        if self._cursor is None:
            self._cursor = format_cursor(self.position)
        return self._cursor

    def rename(self, position: Position) -> None:
        self.position = position
        self._cursor = None

    def message(self, channel: str) -> dict[str, Any] | None:
        """The message as readers get it, made once and shared; ``None`` where the backend holds what no ``publish`` can have put there."""
        if self.ready is None and self.data is not None:
            data, identity, cursor = self.data, self.position.id, self.cursor
            try:
                value = parse_json(data)
            except ValueError as error:
                log.warning("channel %.60r: the backend holds a message that is not ours (%s); dropped", channel, error)
                self.data = None
                return None
            text = f'{_opening(channel)}"data":{data.decode()},"id":{format_json(identity).decode()},"cursor":"{cursor}"}}'
            self.ready = {"type": "channel.message", "channel": channel, "data": value, "id": identity, "cursor": cursor, "text": text}
        return self.ready


def mark(identity: str, data: bytes) -> tuple[str, int]:
    """What a message is known by, in this process: the same id with other data is another message."""
    return identity, hash(data)


def batch_of(channel: str, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several messages of a channel as one: the texts are joined, nothing is encoded again."""
    start = len(_opening(channel))
    last = messages[-1]
    items = [{"data": message["data"], "id": message["id"], "cursor": message["cursor"]} for message in messages]
    inner = ",".join("{" + message["text"][start:] for message in messages)
    text = f'{_opening(channel)}"items":[{inner}],"id":{format_json(last["id"]).decode()},"cursor":"{last["cursor"]}"}}'
    return {"type": "channel.message", "channel": channel, "items": items, "id": last["id"], "cursor": last["cursor"], "text": text}


def _opening(channel: str) -> str:
    return f'{{"type":"channel.message","channel":{format_json(channel).decode()},'


class Log:
    """The chain's end, where it grows, and the window: its last stretch, by offset, where readers who come back find their place."""

    __slots__ = ("_max_bytes", "_max_count", "_past", "_past_at", "_size_before", "channel", "tail", "window")

    def __init__(self, channel: str, start: Position, now: float, *, max_count: int, max_bytes: int) -> None:
        self.channel = channel
        self._max_count = max_count
        self._max_bytes = max_bytes
        self.tail = Node(start, None, None, 0, 0, 0, now)
        self.window: dict[int, Node] = {start.offset: self.tail}
        self._size_before = 0
        self._past: dict[tuple[str, int], int] | None = None
        self._past_at = now

    @property
    def last(self) -> Position:
        """The position of the channel as far as this node knows it."""
        return self.tail.position

    @property
    def oldest(self) -> Node:
        """Where the window begins: readers may go on from here."""
        return next(iter(self.window.values()))

    @property
    def edge(self) -> int:
        """Messages from this offset on are in the window."""
        return self.oldest.position.offset + (self.oldest.data is None)

    def append(self, entry: Entry, epoch: str, now: float, first: int | None = None) -> None:
        """``first``: where the message stood before; who had it then does not hear it again."""
        tail = self.tail
        node = Node(Position(epoch, entry.offset, entry.id), entry.data, None, tail.seq + 1, tail.count + 1, tail.size + len(entry.data), now)
        node.first = first
        tail.next = self.tail = self.window[entry.offset] = node
        slack = 1.25  # a quarter more than the bound, then many at once: each is looked at once
        if len(self.window) > slack * self._max_count + 8 or node.size - self._size_before > slack * self._max_bytes:
            self.trim(now)

    def knows(self, entry: Entry) -> bool:
        """Is it certain that this message was here before? An id may be used again for another one, once it is old enough."""
        node = self.window.get(entry.offset)
        return node is not None and node.position.id == entry.id and node.data in (None, entry.data)

    def remember(self, now: float) -> Mapping[tuple[str, int], int]:
        """Where each message, by ``mark``, stood that readers may have had since a while ago, gaps or not: the window forgets at a gap what was before it."""
        past = {**(self._past or {})}
        for node in self.window.values():
            if node.data is not None:
                past.setdefault(mark(node.position.id, node.data), node.seq)
        spare = len(past) - 4 * (self._max_count + 8)  # a backend that begins anew again and again
        self._past = dict(islice(past.items(), max(0, spare), None))
        self._past_at = now
        return self._past

    def control(self, message: Mapping[str, Any], now: float, position: Position | None = None) -> None:
        """Say ``message`` to all readers, in its place among the others. With ``position`` the channel goes on from there: a gap."""
        tail = self.tail
        node = Node(position or tail.position, None, message, tail.seq + 1, tail.count, tail.size, now)
        if position is not None:
            self.window, self._size_before = {position.offset: node}, node.size
        tail.next = self.tail = node

    def find(self, position: Position) -> Node | None:
        """Where a reader at ``position`` stands; ``None`` if the window does not reach back so far, or another message stands there."""
        node = self.window.get(position.offset)
        return node if node is not None and node.position == position else None

    def name(self, position: Position) -> bool:
        """Let the window begin at the message of ``position``, by the backend's word, where it begins at that offset with nobody here knowing whose it is."""
        is_nameless = self.is_nameless(position)
        if is_nameless:
            self.window[position.offset].rename(position)
        return is_nameless

    def is_nameless(self, position: Position) -> bool:
        """Does the window begin there, without anybody here knowing with which message?"""
        node = self.window.get(position.offset)
        return node is not None and node.position == position._replace(id="")

    def replay(self, start: Position, entries: Sequence[Entry], now: float) -> Node:
        """Let the window begin at ``start``: ``entries`` follow it without a hole and reach into the window. Returns the node at ``start``."""
        nodes: list[Node] = []
        following, edge = self.oldest, self.edge
        before = [(Position(start.epoch, entry.offset, entry.id), entry.data) for entry in entries if entry.offset < edge]
        for position, data in [*reversed(before), (start, None)]:
            held = following.data
            node = Node(position, data, None, following.seq - 1, following.count - (held is not None), following.size - len(held or b""), now)
            node.next = following
            nodes.append(node)
            following = node
        self.window = {**{node.position.offset: node for node in reversed(nodes)}, **{offset: node for offset, node in self.window.items() if offset >= edge}}
        self._size_before = following.size
        return following

    def trim(self, now: float, *, idle: bool = False) -> None:
        """Shorten the window to its bounds; with ``idle`` also by age. The last position stays."""
        if idle and now - self._past_at >= WINDOW_S:
            self._past = None
        window, tail = self.window, self.tail
        excess, too_old = len(window) - self._max_count - 1, now - WINDOW_S if idle else -inf

        def is_spare(place: int, node: Node) -> bool:
            is_over = place < excess or tail.size - node.size > self._max_bytes or node.born <= too_old
            return is_over and node.position.offset != tail.position.offset

        spare = [node.position.offset for _, node in takewhile(lambda one: is_spare(*one), enumerate(window.values()))]
        for offset in spare:
            del window[offset]
        self._size_before = self.oldest.size
