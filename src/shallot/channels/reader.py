"""A reader: one subscription's place in a channel's log, as a source of a mailbox. It holds no messages but those that its policy keeps for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..errors import CloseWith
from ..types import SlowReader
from .log import Node, batch_of
from .topics import Topic

__all__ = ["Reader", "Room"]

TOO_SLOW = 1013
"""The close code of a reader that fell too far behind: try again later (with the cursor, nothing is lost)."""

NOTHING = 0, 0


class Room(Protocol):
    """What a reader needs of its channel."""

    key: tuple[str, str]
    name: str
    topic: Topic

    @property
    def tail(self) -> Node: ...

    def batch(self, nodes: list[Node]) -> dict[str, Any]:
        """The messages of ``nodes`` as one; made once for all readers that ask for the same."""
        ...

    def leave(self, reader: Reader) -> None: ...

    def skipped(self, reader: Reader, count: int) -> None:
        """So many messages will not reach this reader."""
        ...

    def hold(self, reader: Reader) -> None:
        """Publishers have to wait for this reader."""
        ...

    def relieve(self, reader: Reader) -> None:
        """They need not any more."""
        ...


class Reader:
    """Takes one message after the other from the chain. ``node`` is the last link that it has seen; ``None`` once its subscription is over."""

    __slots__ = (
        *("_ahead", "_first_seq", "_is_plain", "_missed", "_room", "_slack", "_start_seq", "_wake"),
        *("batch", "end", "holds_up", "idle", "member", "node", "slow"),
    )

    done = False

    def __init__(self, room: Room, node: Node, *, slow: SlowReader, batch: int, gap: Mapping[str, Any] | None) -> None:
        tail = room.tail
        self._room = room
        self.batch = batch
        """How many messages may come as one; 0: each alone."""
        self._is_plain = not batch and slow != "latest"
        """Does it take one message after the other, as they stand in the chain?"""
        self._ahead: list[Mapping[str, Any]] | None = None if gap is None else [gap]
        """What comes before the chain's next message."""
        self._missed: int | None = 0
        """How many messages were skipped that the reader has not been told of; ``None``: nobody knows."""
        self._first_seq = tail.seq
        """Words of control until here were said before this reader came."""
        self._start_seq = node.seq
        """What was in the chain after it, this reader has had; it does not want it again."""
        self._slack: tuple[int, int] = NOTHING if node is tail else (tail.seq - node.seq, tail.size - node.size)
        """What it is behind because it came back: that is not its slowness."""
        self.node: Node | None = node
        self.slow = slow
        self.member: str | None = None
        self.idle = True
        self.holds_up = False
        self.end: tuple[int, str] | None = None

    # ---- as a source

    @property
    def key(self) -> tuple[str, str]:
        """Under which it stands in a mailbox."""
        return self._room.key

    def open(self, wake: Callable[..., None], bound: int) -> None:
        self._wake = wake
        self.stir()

    def take(self) -> Mapping[str, Any] | None:
        """The next message. Where the channels end the subscription, that is a ``CloseWith``."""
        following = self.node and self.node.next
        is_straight = self._is_plain and self._missed == 0 and not (self._ahead or self.holds_up)
        if is_straight and following and following.ready is not None and following.first is None:
            self.node = following  # a message that others have taken before, and nothing that _take would look at
            if following.next is None:
                self.idle = True
            elif following.next.control is not None:
                self._wake(True)
            return following.ready.copy()
        message = self._take()
        if message is None:
            self.idle = True
        elif self.speaks_next():
            self._wake(True)
        else:
            self.idle = not self._ahead and self._missed == 0 and self.node is not None and self.node.next is None
        if self.holds_up and not self.is_behind(self._room.topic.lag // 2, self._room.topic.lag_bytes // 2):
            self._room.relieve(self)
        return message

    async def close(self) -> None:
        self._room.leave(self)

    def stir(self) -> None:
        """Something may be new in the chain."""
        if self.idle and (self._ahead or self.node is None or self.node.next is not None):
            self.idle = False
            self._wake(self.speaks_next())

    def speaks_next(self) -> bool:
        """Is a word of control what comes next? It overtakes the data of other channels."""
        if self._ahead:
            return not _is_message(self._ahead[0])
        following = self.node and self.node.next
        return bool(following and following.control)

    # ---- for its channel

    def is_behind(self, lag: int, lag_bytes: int) -> bool:
        """By more than so much, what it came with apart?"""
        seq, size = self.limit(lag, lag_bytes)
        tail = self._room.tail
        return (tail.seq > seq or tail.size > size) and self.node is not None and tail.seq - self.node.seq > 1

    def limit(self, lag: int, lag_bytes: int) -> tuple[int, int]:
        """How far the chain may grow before this reader is behind by more than so much."""
        node, tail = self.node, self._room.tail
        if node is None:
            return tail.seq + lag, tail.size + lag_bytes
        if self._slack is not NOTHING:
            count, size = min(self._slack[0], tail.seq - node.seq), min(self._slack[1], tail.size - node.size)
            self._slack = (count, size) if count or size else NOTHING
        return node.seq + lag + self._slack[0], node.size + lag_bytes + self._slack[1]

    def overrun(self, *, waited: bool = False) -> None:
        """It is too far behind: do what its policy says. ``waited``: publishers have waited for it in vain."""
        topic = self._room.topic
        match self.slow:
            case "oldest":
                self._skip(topic.lag // 2, topic.lag_bytes // 2)
            case "latest":
                self._skip(1, 0)
            case "newest" if self._missed == 0 and not any(map(_is_message, self._ahead or ())):
                self._set_aside()
            case "newest":
                self._skip(1, 0)
            case "block" if not waited:
                self._room.hold(self)
            case _:
                self.finish(TOO_SLOW, "too slow")
        if self._ahead is not None and len(self._ahead) > 2 * topic.lag + 8:
            self.finish(TOO_SLOW, "too slow")

    def finish(self, code: int, reason: str) -> None:
        """End the subscription from this side: whoever comes back with the cursor gets what was not taken."""
        self.end = code, reason
        self.node = self._ahead = None
        self.stir()

    # ---- inside

    def _take(self) -> Mapping[str, Any] | None:
        while True:
            if self._ahead:
                return self._take_ahead(self._ahead)
            self._ahead = None
            if self.node is None:
                raise CloseWith(*(self.end or (TOO_SLOW, "")))
            if self.slow == "latest":
                self._skip(1, 0)
                if self._ahead:
                    continue
            elif self._missed != 0:
                gap = {"type": "channel.gap", "channel": self._room.name, "reason": "slow", "missed": self._missed, "cursor": self.node.cursor}
                self._missed = 0
                return gap
            following = self.node.next
            if following is None:
                return None
            self.node = following
            if following.control is not None:
                if following.seq > self._first_seq:
                    return dict(following.control)
            elif self._wants(following) and (message := following.message(self._room.name)) is not None:
                return self._finished(following, message)

    def _finished(self, node: Node, message: dict[str, Any]) -> Mapping[str, Any]:
        """``message`` as this reader wants it: alone, or with those that follow it without a word between them."""
        if self.batch:
            nodes = [node]
            while len(nodes) < self.batch and (following := node.next) is not None and self._wants(following) and following.message(self._room.name):
                nodes.append(following)
                self.node = node = following
            message = self._room.batch(nodes)
        if self._missed == 0:
            return message.copy()
        missed, self._missed = self._missed, 0
        return {**message, "missed": missed}

    def _wants(self, node: Node) -> bool:
        """Is it a message, and one that this reader has not had? What stood before a gap, only those have had who were there then."""
        return node.data is not None and (node.first is None or node.first <= self._start_seq or node.seq <= self._first_seq)

    def _take_ahead(self, ahead: list[Mapping[str, Any]]) -> Mapping[str, Any]:
        if not self.batch or not _is_message(ahead[0]):
            return dict(ahead.pop(0))
        count = next((index for index, one in enumerate(ahead) if index == self.batch or not _is_message(one)), len(ahead))
        taken = ahead[:count]
        del ahead[:count]
        return batch_of(self._room.name, taken)

    def _skip(self, count: int, size: int) -> None:
        """Drop the oldest that wait, until there are at most ``count`` messages of ``size`` bytes, but never the last one. Words of control are kept."""
        node, tail, dropped = self.node, self._room.tail, 0
        while node is not None and node.next is not None and (left := tail.count - node.count) > 1 and (left > count or tail.size - node.size > size):
            node = node.next
            dropped += self._wants(node)
            self._keep(node)
        self.node = node
        if dropped:
            self._missed = None if self._missed is None else self._missed + dropped
            self._room.skipped(self, dropped)

    def _keep(self, node: Node) -> None:
        """A word of control stays, whatever is skipped around it; a gap joins what is missed, where that is told."""
        control = node.control
        if control is None or node.seq <= self._first_seq:
            return
        if control["type"] != "channel.gap" or self.slow == "latest":
            self._ahead = [*(self._ahead or ()), control]
        else:
            self._missed = None if self._missed is None or control["missed"] is None else self._missed + control["missed"]

    def _set_aside(self) -> None:
        """Keep what waits now, apart from the chain: what comes before all of it is taken will be skipped."""
        ahead, node = list(self._ahead or ()), self.node
        while node is not None and node.next is not None:
            node = node.next
            if self._wants(node):
                message = node.message(self._room.name)
                ahead += [message] if message is not None else []
            elif node.control is not None and node.seq > self._first_seq:
                ahead.append(node.control)
        self.node = node
        self._ahead = ahead


def _is_message(one: Mapping[str, Any]) -> bool:
    return bool(one["type"] == "channel.message")
