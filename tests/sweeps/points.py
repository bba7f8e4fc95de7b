"""A scene is played again and again, and its work cancelled at the first of its awaits, at the second, and so on; each end must be clean. Knows no scene.

Virtual time; threads are played by the loop, so that each run is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Future
from types import coroutine
from typing import Any, Literal, NamedTuple, get_args

from shallot.testing.ends import CutLoop
from shallot.testing.leaks import errors_logged, generators_started, held, name_of, sweep

__all__ = ["HARDEST", "LoopPool", "Run", "Scene", "Sweep", "Way", "play", "points_of"]

Way = Literal["while it waits", "as it wakes", "and again in its clean-up", "with all other tasks"]
"""``while it waits``: what it waits for is cancelled as well. ``as it wakes``: that has just come, and nobody will take it: what was acquired must be given
back all the same. ``and again in its clean-up``: once more at its next await. ``with all other tasks``: as ``asyncio.run`` ends."""
HARDEST: tuple[Way, ...] = get_args(Way)

ENDS_WITHIN_S = 600.0
"""On the virtual clock: longer than all deadlines together."""
MOST_POINTS = 2000
THREAD_S = 0.001


class Sweep:
    """Runs the work of a scene, and strikes at its await number ``at``; ``None``: never."""

    def __init__(self, way: Way, at: int | None) -> None:
        self.way, self.at = way, at
        self.points = 0
        self.struck = False
        self.found: list[str] = []
        self.allowed: list[str] = []
        self.task: asyncio.Task[Any] | None = None

    def allow(self, text: str) -> None:
        """An error that has ``text`` may be logged."""
        self.allowed.append(text)

    async def __call__(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What ``work`` gives; ``None`` where it was cancelled or failed, which ``found`` tells unless it may."""
        task = self.task = asyncio.create_task(self._run(work))
        await asyncio.wait({task}, timeout=ENDS_WITHIN_S)
        if not task.done():
            self.found.append(f"it did not end within {ENDS_WITHIN_S:g} s")
            task.cancel()
            await asyncio.wait({task}, timeout=ENDS_WITHIN_S)
        elif self.struck and not task.cancelled():
            self.found.append(f"its cancellation was swallowed: it ended with {task.exception() or task.result()!r}")
        elif not task.cancelled() and task.exception() is not None:
            self.found.append(f"it raised {task.exception()!r}")
        elif not task.cancelled():
            return task.result()
        self.task = None  # what is held by the traceback of its end is nobody's any more
        return None

    async def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return await self._counted(work)

    @coroutine
    def _counted(self, work: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """What ``await work`` would do, with an eye on each moment in which it begins to wait."""
        step: Callable[[Any], Any] = work.send
        value: Any = None
        while True:
            try:
                waits_for = step(value)
            except StopIteration as finished:
                return finished.value
            finally:
                value = None
            self._strike(self.points, waits_for)
            self.points += 1
            waiting, waits_for = [waits_for], None  # nor may this frame keep what came
            try:
                step, value = work.send, (yield waiting.pop())
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:
                step, value = work.throw, error

    def _strike(self, point: int, waits_for: Any) -> None:
        if self.at is None or self.task is None or not (point == self.at or (self.struck and point == self.at + 1 and self.way == HARDEST[2])):
            return
        if self.way == "as it wakes" and waits_for is not None:
            waits_for.add_done_callback(self._cancel)  # before the task's own: it is told first
        elif self.way == "with all other tasks":
            self.struck = True
            for task in asyncio.all_tasks() - {_control()}:
                task.cancel()
        else:
            self._cancel(None)

    def _cancel(self, _: object) -> None:
        if self.task is not None and not self.task.done():
            self.struck = True
            self.task.cancel()


def _control() -> asyncio.Task[Any] | None:
    return next((task for task in asyncio.all_tasks() if task.get_name() == "scene"), None)


Scene = Callable[[Sweep], Awaitable[None]]
"""``await scene(sweep)``: sets up, awaits ``sweep(work)``, and sees whether all goes on after it. What it raises is a finding."""


class Run(NamedTuple):
    struck: bool
    points: int
    found: list[str]


def play(scene: Scene, way: Way, at: int | None) -> Run:
    """One run of ``scene``, and what was wrong with it."""
    sweeping = Sweep(way, at)
    found = sweeping.found
    loop = CutLoop()
    loop.set_exception_handler(lambda loop, context: found.append(f"the loop was told: {context['message']} {context.get('exception')!r}"))
    LoopPool.loop = loop

    async def whole() -> None:
        before = held().files
        with generators_started() as started:
            try:
                async with asyncio.timeout(10 * ENDS_WITHIN_S):
                    await scene(sweeping)
            except (Exception, asyncio.CancelledError) as error:
                if not (sweeping.struck and way == "with all other tasks"):  # what the scene itself needs was ended, too
                    found.append(f"the scene ended with {error!r}")
            for _ in range(25):
                await asyncio.sleep(0)
            await asyncio.sleep(1)  # the engine's watch looks four times a second, and sets no timer when none is open
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            timers = [handle for handle in loop.timers if not handle.cancelled() and handle.when() > loop.time()]
            left = {
                "task left": [name_of(task.get_coro()) for task in tasks],
                "generator not closed": started.suspended(),
                "generator left to the garbage collector": started.collected,
                "timer left": [name_of(getattr(handle, "_callback", handle)) for handle in timers],
                "file left open": sorted(held().files - before),
            }
            found.extend(f"{what}: {name}" for what, names in left.items() for name in names)

    try:
        with errors_logged(found):
            loop.run_until_complete(loop.create_task(whole(), name="scene"))
    finally:
        sweep(loop)
        loop.close()
    return Run(sweeping.struck, sweeping.points, [what for what in dict.fromkeys(found) if not any(text in what for text in sweeping.allowed)])


def points_of(scene: Scene, way: Way) -> tuple[int, list[str]]:
    """How many awaits were struck, and what was wrong after any of them."""
    whole = play(scene, way, None)
    bad = [f"not cancelled at all: {what}" for what in whole.found]
    struck = 0
    for at in range(min(whole.points, MOST_POINTS)):
        run = play(scene, way, at)
        struck += run.struck
        bad += [f"await {at}: {what}" for what in run.found]
    return struck, bad


class LoopPool:
    """Stands for the threads of an app: what runs there takes a moment, and cannot be cancelled; what waits for a thread (``busy``) can."""

    loop: asyncio.AbstractEventLoop
    busy = False

    def __init__(self, *_: object) -> None:
        pass

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        if not self.busy:
            future.set_running_or_notify_cancel()
        self.loop.call_later(THREAD_S, self._finish, [(future, call)])
        return future

    def _finish(self, work: list[tuple[Future[Any], Callable[[], Any]]]) -> None:
        future, call = work.pop()  # the loop remembers its timers, and they must not keep what a call gave
        if self.busy and not future.set_running_or_notify_cancel():
            return
        try:
            result = call()
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    def shutdown(self, **_: object) -> None:
        pass
