"""Work in stages, each with its own seconds, which many do at the same time: one timer for all that are in a stage. Knows no requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import nullcontext
from functools import partial
from itertools import takewhile
from types import TracebackType
from typing import Any, cast

from .deadline import DONE, DeadlinePassed, resume

__all__ = ["Course", "Stage", "finish"]

log = logging.getLogger("shallot")

AGAIN_S = 5.0
"""So long after its cancellation late work that goes on is cancelled again, and again: it may have caught it, or a ``TaskGroup`` have swallowed it."""
GRAIN_S = 0.001
"""As exact as uvloop's timers are: what is due within this is due, or the loop would turn and turn until it is."""
LOOK_EVERY_S = 0.5
"""A timer that is due later looks so often whether anybody waits still: it is no more exact for that, and outlives nobody by much."""
NOT_TIMED = nullcontext()


class Stage:
    """A part of some work, and how long it may take from where it first waits. Whatever is in it on a loop shares one timer there."""

    __slots__ = ("_queues", "name", "seconds")

    def __init__(self, name: str, seconds: float) -> None:
        self.name = name
        self.seconds = seconds
        self._queues: dict[asyncio.AbstractEventLoop, Queue] = {}

    def queue(self, loop: asyncio.AbstractEventLoop) -> Queue:
        queue = self._queues.get(loop)
        if queue is None:
            self._queues = {other: queue for other, queue in self._queues.items() if not other.is_closed()}
            queue = self._queues[loop] = Queue(loop, self.seconds)
        return queue


class Course:
    """What long work tells of itself: in which stage it is. ``None``: nobody times it now."""

    stage: Stage | None = None

    def late(self) -> None:
        """Time is up. Called before the work is cancelled, so that it can be seen there."""


class Queue:
    """Who waits in a stage. All have the same time there, so who came first is late first, and one timer does for all. Where nobody waits none is set."""

    __slots__ = ("_due", "_loop", "_seconds", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._due: dict[Wait, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def join(self, wait: Wait) -> None:
        now = self._loop.time()
        self._due[wait] = now + self._seconds
        if self._timer is None:
            self._watch(now)

    def leave(self, wait: Wait) -> None:
        self._due.pop(wait, None)  # who is late has left already

    def _watch(self, now: float) -> None:
        first = next(iter(self._due.values()), None)
        self._timer = None if first is None else self._loop.call_at(min(first, now + LOOK_EVERY_S), self._look)

    def _look(self) -> None:
        now = self._loop.time()
        late = [wait for wait, _ in takewhile(lambda one: one[1] <= now + GRAIN_S, self._due.items())]
        for wait in late:
            del self._due[wait]
        self._watch(now)
        for wait in late:
            wait.expire()


class Wait:
    """One that waits in a stage, as a context manager: what ``asyncio.timeout`` does, without a timer of its own, whose making and cancelling cost more than
    all else here. Late, its task is cancelled, and ``DeadlinePassed`` raised for that cancellation, unless somebody else wants the task to end, too."""

    __slots__ = ("_again", "_cancels", "_course", "_others", "_queue", "_stage", "_task")

    def __init__(self, course: Course, stage: Stage) -> None:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._course = course
        self._stage = stage
        self._task = task
        self._others = task.cancelling()
        self._queue = stage.queue(task.get_loop())
        self._again: asyncio.TimerHandle | None = None
        self._cancels = 0

    def expire(self) -> None:
        if self._cancels:
            log.error("%s: the work did not end within %g s of its cancellation; cancelled again", self._stage.name, AGAIN_S)
        self._cancels += 1
        self._again = self._task.get_loop().call_later(AGAIN_S, self.expire)
        self._course.late()
        self._task.cancel()

    def __enter__(self) -> None:
        self._queue.join(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._queue.leave(self)
        if self._again is None:
            return
        self._again.cancel()
        for _ in range(self._cancels):
            self._task.uncancel()
        if kind is asyncio.CancelledError and self._task.cancelling() <= self._others:
            raise DeadlinePassed(f"{self._stage.name} took longer than {self._stage.seconds} s") from error


async def finish(work: Coroutine[Any, Any, None], waits_for: Any, course: Course) -> None:
    """Await ``work`` to its end; its first step is taken, and now it ``waits_for`` something, unless that is ``DONE``.

    Each stage that it enters on its ``course`` has its own seconds; past them ``work`` is cancelled, and ``DeadlinePassed`` raised.
    """
    while waits_for is not DONE:
        stage = course.stage
        with NOT_TIMED if stage is None else Wait(course, stage):
            waits_for, _ = await resume(work, waits_for, partial(_is_in, course, stage), None)


def _is_in(course: Course, stage: Stage | None) -> bool:
    return course.stage is stage
