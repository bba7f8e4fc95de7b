"""Aids of the suite of channel backends: cases that leave nothing behind, a sink that remembers, and what every case needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from secrets import token_hex
from typing import Any

from ..channels.contract import Backend, Entry, Kept, Link, Present, Sink, Stored

__all__ = ["KEPT", "SHORT", "SMALL", "Cases", "Recorder", "case", "equal", "until"]

KEPT = Kept(100, 300.0, 60.0)
"""More than a case publishes, for longer than it lasts."""
SMALL = Kept(3, 300.0, 60.0)
"""So few messages that some are trimmed."""
SHORT = Kept(100, 1.0, 60.0)
"""So short a time that messages expire."""


class Recorder(Sink):
    """A sink that keeps what it is told, and lets tests wait for it."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, Entry]] = []
        self.hints: list[str] = []
        self.presence: list[tuple[str, str, str, bytes | None]] = []
        """(channel, node, member, data), without data for a leave."""
        self.losses: list[BaseException | None] = []

    def message(self, channel: str, epoch: str, entry: Entry) -> None:
        self.messages.append((channel, epoch, entry))

    def hint(self, channel: str) -> None:
        self.hints.append(channel)

    def joined(self, channel: str, present: Present) -> None:
        self.presence.append((channel, present.node, present.member, present.data))

    def left(self, channel: str, node: str, member: str) -> None:
        self.presence.append((channel, node, member, None))

    def lost(self, error: BaseException | None) -> None:
        self.losses.append(error)

    def told(self, channel: str) -> bool:
        return channel in self.hints or any(channel == name for name, _, _ in self.messages)


def case(test: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Any], None]:
    """A test in a loop of its own that leaves no task behind."""

    async def check(suite: Any) -> None:
        async with asyncio.timeout(suite.deadline_s):
            await test(suite)
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()}, "no task is left behind")

    @wraps(test)
    def run(suite: Any) -> None:
        asyncio.run(check(suite))

    return run


def equal(got: object, expected: object, what: str = "") -> None:
    """``AssertionError`` with both values, unless they are equal."""
    if got != expected:
        raise AssertionError(f"{what or 'got'}: {_shown(got)}, expected {_shown(expected)}")


async def until(is_so: Callable[[], object], what: str, seconds: float = 10.0) -> None:
    """Wait until ``is_so()``: for what comes from elsewhere, and cannot be waited for otherwise."""
    try:
        async with asyncio.timeout(seconds):
            while not is_so():  # noqa: ASYNC110  # whatever it waits for happens elsewhere, and tells nobody
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s: {what}") from None


class Cases:
    """What all cases stand on: how to ``make`` a backend; all that it makes reach the same store."""

    deadline_s = 60.0
    """How long one case may take."""

    def make(self) -> Backend:
        raise TypeError("BackendSuite: def make(self) -> Backend; each call may give the same backend or another one on the same store")

    # ---- aids

    @asynccontextmanager
    async def link(self, sink: Sink | None = None) -> AsyncGenerator[Link, None]:
        async with self.make().connect(sink or Recorder()) as link:
            yield link

    @staticmethod
    def name(text: str = "channel") -> str:
        """A channel that no other case uses."""
        return f"{text}:{token_hex(6)}"

    @staticmethod
    async def fill(link: Link, channel: str, count: int, kept: Kept = KEPT, start: int = 1) -> list[Stored]:
        """``count`` messages ``b"1"``, ``b"2"`` ... with the ids ``id1``, ``id2`` ..."""
        return [await link.publish(channel, str(number).encode(), f"id{number}", kept) for number in range(start, start + count)]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 500 else text[:500] + "..."
