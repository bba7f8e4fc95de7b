"""A clock that is put forward only when nothing else can happen: ten minutes of silence pass in a millisecond, the same way each time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

__all__ = ["VirtualLoop", "virtual_time"]

P = ParamSpec("P")


class _Unslept(selectors.DefaultSelector):
    """A selector that never sleeps: where the loop would, its clock is put forward instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if timeout is None:
            raise RuntimeError(
                "virtual time: every task waits and no timer is set, so nothing can ever happen; what a thread or a socket would bring is not waited for"
            )
        self.loop.jump(timeout)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose ``time()`` is virtual. ``now`` is its clock, in seconds; it starts at a thousand, so that no test relies on zero."""

    def __init__(self) -> None:
        selector = _Unslept()
        self.now = 1000.0
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def jump(self, seconds: float) -> None:
        """Put the clock forward: everything waits, and the next timer is due then."""
        self.now += seconds


def virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an asynchronous test on virtual time, as an ordinary function. Everything that waits by asyncio's clock is part of it:
    sleeps, time-outs, timers, the deadlines of conversations. Threads and sockets are not.

    It fails if the test leaves a task running.

        >>> @virtual_time
        ... async def test_an_hour():
        ...     await asyncio.sleep(3600)
        >>> test_an_hour()
    """

    @wraps(test)
    def run(*args: P.args, **keywords: P.kwargs) -> None:
        async def checked() -> None:
            await test(*args, **keywords)
            await asyncio.sleep(0)  # for a task that was just told to end
            left = asyncio.all_tasks() - {asyncio.current_task()}
            if left:
                raise RuntimeError(f"tasks left running: {left}")

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(checked())

    return run
