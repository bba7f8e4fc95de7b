"""What a piece of a test leaves behind: asynchronous generators, errors in the log, tasks that take no cancellation. Knows no server and no app."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from types import AsyncGeneratorType
from typing import Any, cast

__all__ = ["errors_logged", "generators_started", "sweep"]

PATIENCE = 16
"""How often what is left behind is cancelled before it is given up."""


@contextmanager
def generators_started() -> Generator[list[AsyncGeneratorType[Any, Any]]]:
    """The asynchronous generators that take their first step meanwhile."""
    started: list[AsyncGeneratorType[Any, Any]] = []
    hooks = sys.get_asyncgen_hooks()

    def first_step(generator: AsyncGenerator[Any, Any]) -> None:
        started.append(cast("AsyncGeneratorType[Any, Any]", generator))
        if hooks.firstiter is not None:
            hooks.firstiter(generator)

    sys.set_asyncgen_hooks(first_step, hooks.finalizer)
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
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore  # it will be, and that is known
    loop.run_until_complete(loop.shutdown_asyncgens())
