"""Feeds: any async iterable joins the mailbox. Each has one task, which iterates it, and closes it there."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from ..errors import is_failure
from ..types import AnyEffect, Mailbox, ResourceEffect
from .wire import source_key

__all__ = ["FEED_AHEAD", "FEED_EFFECTS"]

FEED_AHEAD = 16
"""How many items of a feed wait in the mailbox before its iterable is left alone."""


class Feed:
    """Reads ``items`` ahead by ``bound`` messages, then waits until the conversation takes one."""

    __slots__ = ("_begun", "_bound", "_items", "_messages", "_name", "_room", "_task", "_wake", "done")

    def __init__(self, name: str, items: AsyncIterator[Any]) -> None:
        self._name = name
        self._items = items
        self._messages: deque[Mapping[str, Any]] = deque()
        self._room: asyncio.Event = asyncio.Event()
        self._begun = False
        self.done = False

    def open(self, wake: Callable[[], None], bound: int) -> None:
        self._wake = wake
        self._bound = bound
        self._task = asyncio.create_task(self._read())

    def take(self) -> Mapping[str, Any] | None:
        if not self._messages:
            return None
        self._room.set()
        message = self._messages.popleft()
        self.done = not self._messages and self._task.done()
        return message

    async def close(self) -> None:
        self._messages.clear()
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._begun:
            await _close(self._items)

    async def _read(self) -> None:
        self._begun = True
        try:
            try:
                async for item in self._items:
                    self._put({"type": "feed.item", "name": self._name, "data": item})
                    while len(self._messages) >= self._bound:
                        self._room.clear()
                        await self._room.wait()
            finally:
                await _close(self._items)
        except BaseException as error:  # a stray cancellation, too, is the handler's to know: it is told, with the exception itself
            if not is_failure(error):
                raise
            self._put({"type": "feed.failed", "name": self._name, "error": error})
        else:
            self._put({"type": "feed.ended", "name": self._name})

    def _put(self, message: Mapping[str, Any]) -> None:
        self._messages.append(message)
        self._wake()


async def _close(items: Any) -> None:
    if hasattr(items, "aclose"):
        await items.aclose()


async def _feed(effect: AnyEffect, scope: Any, mailbox: Mailbox) -> None:
    key = source_key(effect)
    iterable: Any = effect.get("iterable")
    if not hasattr(iterable, "__aiter__"):
        raise TypeError(f"feed.open: 'iterable' must be an async iterable, got {type(iterable).__name__}; write an async generator around it")
    await mailbox.close(key)
    mailbox.open(key, Feed(effect["name"], aiter(iterable)), FEED_AHEAD)


async def _unfeed(effect: AnyEffect, scope: Any, mailbox: Mailbox) -> None:
    await mailbox.close(source_key(effect))


FEED_EFFECTS: Mapping[str, ResourceEffect] = {"feed.open": _feed, "feed.close": _unfeed}
"""Kind -> the function that performs it: ``feed.open``, ``feed.close``."""
