"""A deadline that costs nothing until something waits. Knows neither HTTP nor WebSockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")

__all__ = ["DeadlinePassed", "within"]


class DeadlinePassed(TimeoutError):
    """Our own deadline passed, not one that the work set itself."""


async def within(seconds: float | None, work: Coroutine[Any, Any, T], ask: Callable[[], float] | None = None) -> T:
    """The result of ``work``, or ``DeadlinePassed`` after ``seconds`` (``None``: no deadline); then ``work`` was cancelled.

    ``ask`` is for work that may raise its own bound on the way, never lower it: called whenever ``work`` begins to wait, it gives the seconds then.

    The first step is taken without a timer: most work never waits, and then there is nothing to time. (A timer and its
    cancellation cost about as much as decoding a request's headers.)
    """
    try:
        waits_for = work.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    timer = asyncio.timeout(seconds)
    try:
        async with timer:
            return await _resume(work, waits_for, ask and partial(_put_off, timer, asyncio.get_running_loop().time(), ask))
    except TimeoutError as error:
        if timer.expired():
            raise DeadlinePassed(f"took longer than {ask() if ask else seconds} s") from error
        raise


def _put_off(timer: asyncio.Timeout, began: float, ask: Callable[[], float]) -> None:
    until, before = began + ask(), timer.when()
    if before is not None and before < until and not timer.expired():
        timer.reschedule(until)


@coroutine
def _resume(work: Coroutine[Any, Any, T], waits_for: Any, on_wait: Callable[[], None] | None) -> Generator[Any, Any, T]:
    """What ``await work`` would do, for work whose first step is already taken and now waits for ``waits_for``."""
    step: Callable[[Any], Any]
    while True:
        if on_wait is not None:
            on_wait()
        try:
            sent = yield waits_for
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:  # handed on, never kept: it is the work that may answer it
            step, value = work.throw, error
        else:
            step, value = work.send, sent
        try:
            waits_for = step(value)
        except StopIteration as finished:
            result: T = finished.value
            return result
