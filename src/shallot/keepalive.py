"""Something is said even while nothing comes. Without a task of its own: a step that waits is left where it is, and taken up again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["KeptAlive"]

T = TypeVar("T")


class KeptAlive(AsyncIterator[bytes], Generic[T]):
    """``format(item)`` of all ``items``; ``sign`` at the beginning, and wherever nothing came for ``seconds`` (``None``: only at the beginning).

    The items are iterated and closed in the task that iterates this, as if nothing stood between; a cancellation reaches them where they wait.
    """

    __slots__ = ("_begun", "_format", "_items", "_seconds", "_sign", "_step", "_waits_for")

    def __init__(self, items: AsyncIterable[T], format: Callable[[T], bytes], sign: bytes, seconds: float | None) -> None:
        self._items = aiter(items)
        self._format = format
        self._sign = sign
        self._seconds = seconds
        self._begun = False
        self._step: Coroutine[Any, Any, T] | None = None
        self._waits_for: Any = None

    async def __anext__(self) -> bytes:
        if not self._begun:
            self._begun = True
            return self._sign
        if self._seconds is None:
            return self._format(await anext(self._items))
        item = await self._next(asyncio.get_running_loop().time() + self._seconds)
        return self._format(item[0]) if item else self._sign

    async def aclose(self) -> None:
        """Cancel what still waits, and close the items, begun or not. May be repeated."""
        task, self._begun = asyncio.current_task(), True
        cancelled = task.cancelling() if task else 0
        try:
            if self._step is not None and (self._waits_for is None or not self._waits_for.cancel()):
                self._take(self._step.throw, asyncio.CancelledError())
            while self._step is not None:
                await self._next(None)
        except asyncio.CancelledError:  # ours comes back from what was cancelled; another one leaves
            if task is None or task.cancelling() > cancelled:
                raise
        except StopAsyncIteration:
            pass
        finally:
            aclose = getattr(self._items, "aclose", None)
            if aclose is not None:
                await aclose()

    async def _next(self, until: float | None) -> tuple[T] | tuple[()]:
        """The next item; nothing where it is not there at ``until``, in the loop's time."""
        taken: tuple[T] | tuple[()] = ()
        step = self._step
        if step is None:
            step = self._step = _step_of(self._items)
            taken = self._take(step.send, None)
        while not taken:
            try:
                if not await _is_done(self._waits_for, until):
                    return ()
            except asyncio.CancelledError as error:  # handed on, never kept: it is the step that may answer it
                taken = self._take(step.throw, error)
            else:
                taken = self._take(step.send, None)
        return taken

    def _take(self, resume: Callable[[Any], Any], value: object) -> tuple[T] | tuple[()]:
        """Let the step run on until it waits again, or ends."""
        try:
            self._waits_for = resume(value)
        except StopIteration as finished:
            self._step = None
            return (finished.value,)
        except BaseException:
            self._step = None
            raise
        return ()


async def _step_of(items: AsyncIterator[T]) -> T:
    return await anext(items)


async def _is_done(waits_for: Any, until: float | None) -> bool:
    """Wait as a task does for what its coroutine waits for: a future, or ``None`` for a turn of the loop."""
    loop = asyncio.get_running_loop()
    if waits_for is None:
        await asyncio.sleep(0)
        return until is None or loop.time() < until
    waits_for._asyncio_future_blocking = False  # as asyncio.Task does: taken over
    while not waits_for.done():
        try:
            done, _ = await asyncio.wait([waits_for], timeout=None if until is None else until - loop.time())
        except asyncio.CancelledError:
            if not waits_for.cancel():
                raise
            until = None  # it is on its way; what waits there may take its time to end
        else:
            if not done:
                return False
    return True
