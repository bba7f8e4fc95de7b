"""A deadline that costs nothing until something waits. Knows neither HTTP nor WebSockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, TypeVar, cast

from .task_groups import FORGETS, is_forgotten

T = TypeVar("T")

__all__ = ["DONE", "DeadlinePassed", "finish_within", "resume", "telling", "within"]


DONE: Any = object()
"""Waited for by work that is over. ``next(work.__await__(), DONE)`` takes a first step without the exception that ``send`` makes to say so."""


class DeadlinePassed(TimeoutError):
    """Our own deadline passed, not one that the work set itself."""


async def within(seconds: float | None, work: Coroutine[Any, Any, T], ask: Callable[[], float] | None = None, late: Callable[[], object] | None = None) -> T:
    """The result of ``work``, or ``DeadlinePassed`` after ``seconds`` (``None``: no deadline); then ``work`` was cancelled.

    ``ask`` is for work that may raise its own bound on the way, never lower it: called whenever ``work`` begins to wait, it gives the seconds then.
    ``late`` is called where time is up, before ``work`` is cancelled.

    The first step is taken without a timer: most work never waits, and then there is nothing to time. (A timer and its
    cancellation cost about as much as decoding a request's headers.)
    """
    try:
        waits_for = work.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    return await finish_within(seconds, work, waits_for, ask, late)


async def finish_within(
    seconds: float | None, work: Coroutine[Any, Any, T], waits_for: Any, ask: Callable[[], float] | None = None, late: Callable[[], object] | None = None
) -> T:
    """As ``within``, for work whose first step is taken, and which now ``waits_for`` something."""
    timer = asyncio.timeout(seconds)
    try:
        async with timer:
            now = asyncio.get_running_loop().time()
            result: T
            _, result = await resume(work, waits_for, ask and partial(_put_off, timer, now, ask), late and partial(_tell, timer, late))
            return result
    except TimeoutError as error:
        if timer.expired():
            raise DeadlinePassed(f"took longer than {ask() if ask else seconds} s") from error
        raise
    finally:
        del timer  # it holds the task, which holds the error that ends it, whose traceback holds this frame


async def telling(work: Coroutine[Any, Any, T], timer: asyncio.Timeout, late: Callable[[], object]) -> T:
    """The result of ``work``, which ``timer`` bounds; ``late`` is called where time is up, before ``work`` is cancelled."""
    try:
        waits_for = work.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    try:
        _, result = await resume(work, waits_for, None, partial(_tell, timer, late))
        return result
    finally:
        del timer  # as above


def _put_off(timer: asyncio.Timeout, began: float, ask: Callable[[], float]) -> bool:
    until, before = began + ask(), timer.when()
    if before is not None and before < until and not timer.expired():
        timer.reschedule(until)
    return True


def _tell(timer: asyncio.Timeout, late: Callable[[], object]) -> None:
    if timer.expired():
        late()


@coroutine
def resume(
    work: Coroutine[Any, Any, T], waits_for: Any, goes_on: Callable[[], bool] | None, before_raise: Callable[[], object] | None
) -> Generator[Any, Any, tuple[Any, Any]]:
    """What ``await work`` would do, for work whose first step is already taken: gives back ``DONE`` and its result.

    ``goes_on`` is asked whenever it begins to wait; where that says no, what it waits for is given back and not waited for.
    ``before_raise`` is called before anything is raised in it.
    """
    step: Callable[[Any], Any]
    value: Any
    try:
        while goes_on is None or goes_on():
            try:
                sent = yield waits_for
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:  # handed on, never kept: it is the work that may answer it
                if before_raise is not None:
                    before_raise()
                step, value = work.throw, error
            else:
                step, value = work.send, sent
            try:
                waits_for = step(value)
            except StopIteration as finished:
                return DONE, finished.value
            finally:
                if FORGETS and isinstance(value, asyncio.CancelledError) and is_forgotten(value):
                    cast("asyncio.Task[Any]", asyncio.current_task()).uncancel()
                value = None  # or the error's traceback would hold this frame, and this frame the error
        return waits_for, None
    finally:
        goes_on = before_raise = None  # which know the timer
