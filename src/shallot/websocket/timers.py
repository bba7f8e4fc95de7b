"""Timers: after, every, cancel. A timer is a source of the mailbox; it has no task, only the loop's own timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from ..types import AnyEffect, Mailbox, ResourceEffect
from .wire import source_key

__all__ = ["MIN_INTERVAL_S", "TIMER_EFFECTS"]

MIN_INTERVAL_S = 0.001
"""The shortest ``every``: a shorter one would keep the loop from everything else."""


class Timer:
    """Fires ``seconds`` from now, once or again and again; at most one firing waits to be taken, ``missed`` counts the others."""

    __slots__ = ("_again", "_due", "_handle", "_loop", "_missed", "_name", "_pending", "_seconds", "_wake", "done")

    def __init__(self, name: str, seconds: float, *, again: bool) -> None:
        self._name = name
        self._seconds = seconds
        self._again = again
        self._missed = 0
        self._pending = False
        self.done = False

    def open(self, wake: Callable[[], None], bound: int) -> None:
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + self._seconds
        self._handle = self._loop.call_at(self._due, self._fire)

    def take(self) -> Mapping[str, Any] | None:
        if not self._pending:
            return None
        message = {"type": "timer.fired", "name": self._name, "missed": self._missed}
        self._pending, self._missed = False, 0
        self.done = not self._again
        return message

    async def close(self) -> None:
        self._handle.cancel()

    def _fire(self) -> None:
        if self._again:
            passed = max(0, int((self._loop.time() - self._due) // self._seconds))  # whole intervals that a busy loop slept through
            self._due += (passed + 1) * self._seconds
            self._missed += passed
            self._handle = self._loop.call_at(self._due, self._fire)
        self._missed += self._pending
        self._pending = True
        self._wake()


async def _start(effect: AnyEffect, mailbox: Mailbox, *, again: bool) -> None:
    seconds, key = effect.get("seconds"), source_key(effect)
    least = MIN_INTERVAL_S if again else 0
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{effect['type']}: 'seconds' must be a number, got {seconds!r}")
    if not isfinite(seconds) or seconds < least:
        raise ValueError(f"{effect['type']}: 'seconds' must be finite and at least {least}, got {seconds!r}")
    await mailbox.close(key)
    mailbox.open(key, Timer(effect["name"], seconds, again=again), 1)


async def _after(effect: AnyEffect, scope: Any, mailbox: Mailbox) -> None:
    await _start(effect, mailbox, again=False)


async def _every(effect: AnyEffect, scope: Any, mailbox: Mailbox) -> None:
    await _start(effect, mailbox, again=True)


async def _cancel(effect: AnyEffect, scope: Any, mailbox: Mailbox) -> None:
    await mailbox.close(source_key(effect))


TIMER_EFFECTS: Mapping[str, ResourceEffect] = {"timer.after": _after, "timer.every": _every, "timer.cancel": _cancel}
"""Kind -> the function that performs it: ``timer.after``, ``timer.every``, ``timer.cancel``."""
