"""How much is too much: counters of sliding windows by key, and a bucket of tokens for one conversation. Knows no request, no library and no network."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol

__all__ = ["Bucket", "MemoryRates", "Rates", "Window", "seconds_to_wait"]

MAX_KEYS = 100_000


class Window(NamedTuple):
    """Two windows of counting, one after the other: the count of the one before fades out while the current one fills."""

    previous: int
    previous_ttl: float
    """Seconds for which the one before still counts, less and less."""
    current: int
    current_ttl: float
    """Seconds until the current one counts no more: its own time and a whole window after it."""


class Rates(Protocol):
    """Where counts are kept: here, or in a storage of the library ``limits``, which has these two functions. Times are in seconds."""

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool: ...

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]: ...


class _Counts:
    __slots__ = ("current", "number", "previous", "until")

    def __init__(self, number: int) -> None:
        self.number = number
        self.current = self.previous = 0
        self.until = 0.0


class MemoryRates:
    """Counts of this process, at most ``max_keys`` of them: past that the one that was untouched for longest is forgotten. No task, no thread."""

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._counts: dict[str, _Counts] = {}

    def __len__(self) -> int:
        return len(self._counts)

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count ``amount`` more under ``key``, unless that would be more than ``limit`` in ``expiry`` seconds: then ``False``, and nothing is counted."""
        now = asyncio.get_running_loop().time()
        counts = self._counts.pop(key, None) or _Counts(int(now // expiry))
        _turn(counts, now, expiry)
        self._counts[key] = counts  # behind all others
        self._tidy(now)
        weighted = counts.previous * _left(now, expiry) / expiry + counts.current
        if int(weighted) + amount > limit:
            return False
        counts.current += amount
        counts.until = now + 2 * expiry
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """What is counted under ``key``, as the four numbers of a ``Window``."""
        now = asyncio.get_running_loop().time()
        counts = self._counts.get(key) or _Counts(int(now // expiry))
        _turn(counts, now, expiry)
        left = _left(now, expiry)
        return counts.previous, left if counts.previous else 0.0, counts.current, left + expiry

    def _tidy(self, now: float) -> None:
        """Two at a time: what is added is taken away again, and nobody ever walks over all of it."""
        for _ in range(2):
            oldest = next(iter(self._counts))
            is_kept = len(self._counts) <= self._max_keys and self._counts[oldest].until > now
            if is_kept or len(self._counts) == 1:
                return
            del self._counts[oldest]


def _turn(counts: _Counts, now: float, expiry: int) -> None:
    number = int(now // expiry)
    if number != counts.number:
        counts.previous = counts.current if number == counts.number + 1 else 0
        counts.current, counts.number = 0, number


def _left(now: float, expiry: int) -> float:
    return expiry - now % expiry


def seconds_to_wait(limit: int, expiry: int, window: Window) -> float:
    """How long until one more fits into ``limit`` per ``expiry`` seconds; 0 if it does now.

    >>> seconds_to_wait(10, 60, Window(previous=0, previous_ttl=0, current=10, current_ttl=90))
    30
    >>> seconds_to_wait(10, 60, Window(previous=20, previous_ttl=45, current=0, current_ttl=105))
    15.0
    """
    previous, previous_ttl, current, current_ttl = window
    if current < limit:
        return max(0, previous_ttl - (limit - current) * expiry / previous) if previous else 0
    return max(0, current_ttl - expiry) + (expiry - limit * expiry / current if current > limit else 0)


class Bucket:
    """``amount`` tokens, filled up again evenly within ``seconds``."""

    __slots__ = ("_amount", "_at", "_left", "_seconds")

    def __init__(self, amount: int, seconds: float, now: float) -> None:
        self._amount = self._left = float(amount)
        self._seconds = seconds
        self._at = now

    def take(self, now: float) -> bool:
        """Take one, if there is one."""
        left = min(self._amount, self._left + (now - self._at) * self._amount / self._seconds)
        self._at = now
        self._left = left - 1 if left >= 1 else left
        return left >= 1
