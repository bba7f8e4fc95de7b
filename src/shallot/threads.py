"""The app's bounded pool of threads, where plain functions run. Knows not what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["Threads"]

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """At most ``count`` threads, begun when first needed; ``close`` ends them, and a later ``run`` begins new ones."""

    def __init__(self, count: int) -> None:
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"build_server: threads must be at least 1, not {count!r}")
        self._count = count
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, function: Callable[P, T], /, *args: P.args, **keywords: P.kwargs) -> T:
        """``function(*args, **keywords)`` in a thread, with the caller's context variables. It waits its turn where all threads are busy."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._count, "shallot")
        call = partial(copy_context().run, _call, function, *args, **keywords)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Does not wait: what runs, runs to its end; what waits for a thread is cancelled."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _call(function: Callable[P, T], /, *args: P.args, **keywords: P.kwargs) -> T:
    """A future takes no ``StopIteration`` (before Python 3.12 it is then never done): like a coroutine's, it becomes a ``RuntimeError`` (PEP 479)."""
    try:
        return function(*args, **keywords)
    except StopIteration as error:
        raise RuntimeError("a function in a thread raised StopIteration; give next() a default") from error
