"""What a piece of a test leaves behind: tasks, asynchronous generators, threads, files, errors in the log. Knows no server and no app."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from functools import wraps
from types import AsyncGeneratorType
from typing import Any, NamedTuple, ParamSpec, cast
from weakref import WeakSet

from .failures import Unexpected

__all__ = ["Held", "Started", "errors_logged", "generators_started", "held", "leaving_nothing", "left_behind", "sweep"]

P = ParamSpec("P")

PATIENCE = 16
"""How often what is left behind is cancelled before it is given up."""


class Held(NamedTuple):
    """What this process holds."""

    threads: set[threading.Thread]
    files: Counter[str]
    """What the open file descriptors are; nothing where the system does not tell"""


def held() -> Held:
    """The threads that are no daemons, and the open files, now."""
    files: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        with suppress(FileNotFoundError):  # the descriptor of this listing itself
            files[os.readlink(f"/proc/self/fd/{number}")] += 1
    return Held({thread for thread in threading.enumerate() if not thread.daemon}, files)


def left_behind(before: Held, *, patience_s: float = 1) -> str:
    """What was not held ``before``, as the text of a failure; ``""`` for nothing. A thread that was told to end gets ``patience_s`` to do so."""
    now = held()
    if left := [thread.name for thread in now.threads - before.threads if _runs_on(thread, patience_s)]:
        return f"threads left running: {left}"
    if files := sorted(held().files - before.files):
        return f"files left open: {files}"
    return ""


def _runs_on(thread: threading.Thread, patience_s: float) -> bool:
    thread.join(patience_s)
    return thread.is_alive()


def leaving_nothing(test: Callable[P, Awaitable[Any]]) -> Callable[P, Awaitable[None]]:
    """``test``, raising ``Unexpected`` where it leaves a task running or an async generator suspended, or lets the garbage collector close one.

    >>> @leaving_nothing
    ... async def test_forgets():
    ...     kept = asyncio.create_task(asyncio.sleep(60))
    >>> asyncio.run(test_forgets())
    Traceback (most recent call last):
    ...
    shallot.testing.failures.Unexpected: tasks left running: ['sleep']
    """

    @wraps(test)
    async def run(*args: P.args, **keywords: P.kwargs) -> None:
        tasks = asyncio.all_tasks()
        with generators_started() as started:
            await test(*args, **keywords)
        await asyncio.sleep(0)  # for a task that has just been told to end
        if started.collected:
            raise Unexpected(f"async generators left to the garbage collector: {started.collected}; close them (aclosing)")
        if left := [name_of(task.get_coro()) for task in asyncio.all_tasks() - tasks]:
            raise Unexpected(f"tasks left running: {left}")
        if suspended := started.suspended():
            raise Unexpected(f"async generators left suspended: {suspended}; close them (aclosing)")

    return run


def name_of(thing: Any) -> str:
    """What a coroutine, a generator or a timer's function is called."""
    return str(getattr(thing, "__qualname__", thing))


class Started(NamedTuple):
    """Asynchronous generators that took their first step."""

    alive: WeakSet[AsyncGeneratorType[Any, Any]]
    collected: list[str]
    """The names of those that the garbage collector had to close"""

    def suspended(self) -> list[str]:
        """The names of those that nobody ran to their end."""
        return [name_of(generator) for generator in self.alive if generator.ag_frame is not None]


@contextmanager
def generators_started() -> Generator[Started]:
    """See the asynchronous generators that take their first step meanwhile; none is kept alive by that."""
    started = Started(WeakSet(), [])
    hooks = sys.get_asyncgen_hooks()

    def first_step(generator: AsyncGenerator[Any, Any]) -> None:
        started.alive.add(cast("AsyncGeneratorType[Any, Any]", generator))
        if hooks.firstiter is not None:
            hooks.firstiter(generator)

    def last_step(generator: AsyncGenerator[Any, Any]) -> None:
        started.collected.append(name_of(generator))
        if hooks.finalizer is not None:
            hooks.finalizer(generator)

    sys.set_asyncgen_hooks(first_step, last_step)
    try:
        yield started
    finally:
        sys.set_asyncgen_hooks(*hooks)


@contextmanager
def errors_logged(found: list[str]) -> Generator[None]:
    """Errors that our loggers are told go into ``found``, and no further."""

    class Note(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            cause = f" ({record.exc_info[1]!r})" if record.exc_info else ""
            found.append(f"logged: {record.getMessage()}{cause}")

    logger, note = logging.getLogger("shallot"), Note(logging.ERROR)
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(note)
    try:
        yield
    finally:
        logger.removeHandler(note)
        logger.propagate = propagates


def sweep(loop: asyncio.AbstractEventLoop, *, patience_s: float = 1) -> None:
    """End what is left on the loop; what takes no cancellation is given up. All of it has been told of, so nobody else needs to hear."""
    loop.set_exception_handler(lambda loop, context: None)
    for _ in range(PATIENCE):
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=patience_s))
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # private, but there is no other way to say: it will be destroyed while pending, and that is known
    loop.run_until_complete(loop.shutdown_asyncgens())
