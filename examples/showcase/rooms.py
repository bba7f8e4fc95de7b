"""The rooms: who is in which, and what was said there. Plain data and bounded queues; knows nothing of sockets.

A room is a dict of its members' inboxes and is gone with its last member. ``listen`` is what a conversation joins with a ``feed``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

__all__ = ["Guest", "Inbox", "Rooms", "listen", "tell"]

INBOX = 64
"""How many pieces of news a member may leave unread; beyond it the oldest is dropped, and the member is told how many."""


class Inbox:
    """What one member has not read yet: at most ``INBOX`` pieces of news and a count of those dropped."""

    def __init__(self) -> None:
        self._news: deque[dict[str, Any]] = deque(maxlen=INBOX)
        self._dropped = 0
        self._filled = asyncio.Event()

    def put(self, news: dict[str, Any]) -> None:
        self._dropped += len(self._news) == INBOX
        self._news.append(news)
        self._filled.set()

    async def take(self) -> dict[str, Any]:
        """The next piece of news; where some were dropped, first ``{"kind": "missed", "count"}``."""
        while True:
            if self._dropped:
                missed, self._dropped = self._dropped, 0
                return {"kind": "missed", "count": missed}
            if self._news:
                return self._news.popleft()
            self._filled.clear()
            await self._filled.wait()


Guest = dict[str, Any]
"""``{"name", "seat"}``; the seat is a number of the room's own."""

Rooms = dict[str, dict[int, tuple[Guest, Inbox]]]
"""Room name -> seat -> who sits there, and what is not read yet."""


def tell(rooms: Rooms, room: str, news: dict[str, Any]) -> None:
    """Put ``news`` into every inbox of ``room``."""
    for _, inbox in rooms.get(room, {}).values():
        inbox.put(news)


async def listen(rooms: Rooms, room: str, guest: Guest) -> AsyncIterator[dict[str, Any]]:
    """Give ``guest`` the first free seat of ``room`` and hear its news until closed; leaving is the ``finally``.

    First ``{"kind": "welcome", "seat", "here"}``, then ``joined``, ``left``, ``said`` and ``missed``.
    """
    members = rooms.setdefault(room, {})
    seat = guest["seat"] = next(number for number in count(1) if number not in members)
    tell(rooms, room, {"kind": "joined", "from": guest})
    inbox = Inbox()
    members[seat] = guest, inbox
    try:
        yield {"kind": "welcome", "seat": seat, "here": [each for each, _ in members.values()]}
        while True:
            yield await inbox.take()
    finally:
        del members[seat]
        if not members:
            del rooms[room]
        tell(rooms, room, {"kind": "left", "from": guest})
