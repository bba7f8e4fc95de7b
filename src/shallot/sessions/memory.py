"""The store in this process' memory: for one process, and for tests."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from .keeping import SESSION_EFFECTS
from .record import MAX_RECORD_BYTES, Record, format_record, parse_record, stored_name

__all__ = ["MemoryStore", "memory_store"]


def memory_store(*, max_sessions: int = 10_000, max_bytes: int = MAX_RECORD_BYTES, clock: Callable[[], float] = monotonic) -> MemoryStore:
    """A store that forgets everything when the process ends. Over ``max_sessions`` the one that was not used for the longest time goes.

    | option | meaning | default |
    |---|---|---|
    | ``max_sessions`` | how many sessions at most | 10,000 |
    | ``max_bytes`` | of one record, as JSON | 65,536 |
    | ``clock`` | seconds, never back; for tests | ``time.monotonic`` |

    It may stand among the resources of ``build_server``, which gives conversations the effect ``save_session()``.

        >>> len(memory_store())
        0
    """
    if max_sessions < 1 or max_bytes < 1:
        raise ValueError(f"memory_store: max_sessions and max_bytes must be 1 or more, not {max_sessions} and {max_bytes}")
    return MemoryStore(max_sessions, max_bytes, clock)


class _Kept(NamedTuple):
    version: int
    text: bytes
    until: float


class MemoryStore:
    """What ``memory_store`` gives. Its length is the number of records that it holds, expired ones that nobody asked for included."""

    effects = SESSION_EFFECTS

    def __init__(self, max_sessions: int, max_bytes: int, clock: Callable[[], float]) -> None:
        self._max_sessions = max_sessions
        self._max_bytes = max_bytes
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        """The least recently used first."""

    def __len__(self) -> int:
        return len(self._kept)

    async def __aenter__(self) -> MemoryStore:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Nothing to leave: the sessions outlive a restart of the app in the same process."""

    async def read(self, key: str) -> Record | None:
        """The record under ``key``, made anew from JSON each time."""
        name = stored_name(key)
        kept = self._find(name)
        if kept is None:
            return None
        self._kept.move_to_end(name)
        return parse_record(kept.text)

    async def write(self, record: Record, ttl_s: float) -> str | None:
        """Compare the version and keep the record; the least recently used one goes where there are too many."""
        name, text = stored_name(record["id"]), format_record(record, self._max_bytes)
        kept = self._find(name)
        if (kept.version if kept else 0) != record["version"] - 1:
            return None
        self._kept[name] = _Kept(record["version"], text, self._clock() + ttl_s)
        self._kept.move_to_end(name)
        if len(self._kept) > self._max_sessions:
            self._kept.popitem(last=False)
        return record["id"]

    async def delete(self, key: str) -> Record | None:
        """Forget the record under ``key`` and give it back."""
        name = stored_name(key)
        kept = self._find(name)
        self._kept.pop(name, None)
        return kept and parse_record(kept.text)

    def _find(self, name: str) -> _Kept | None:
        kept = self._kept.get(name)
        if kept is not None and kept.until <= self._clock():
            del self._kept[name]
            return None
        return kept
