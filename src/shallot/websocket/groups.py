"""What is thrown into a conversation's work, and which of it a TaskGroup forgets to take back. Knows no conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any

from ..task_groups import is_forgotten

__all__ = ["Cancellable", "noting"]


class Cancellable:
    """What runs in ``_task``, where others than the groups in it may cancel it. Who inherits sets both: a call to say so would cost each connection."""

    __slots__ = ("_task", "_thrown")

    _task: asyncio.Task[Any]
    _thrown: BaseException | None

    def note(self, thrown: BaseException | None) -> None:
        """This will be thrown into the work; ``None``: that has been answered."""
        if thrown is None:
            self._take_back()
        self._thrown = thrown

    def is_cancelled(self, others: int) -> bool:
        """Does anybody want the task to end who had not said so before, ``others`` times?"""
        self._take_back()
        return self._task.cancelling() > others

    def _take_back(self) -> None:
        thrown, self._thrown = self._thrown, None
        if thrown is not None and is_forgotten(thrown):
            self._task.uncancel()


@coroutine
def noting(work: Coroutine[Any, Any, None], waits_for: Any, note: Callable[[BaseException | None], None]) -> Generator[Any, Any, None]:
    """Await ``work`` to its end; its first step is taken, and now it ``waits_for`` something.

    ``note`` is called with each error that is thrown into it, just before, and with ``None`` as soon as it waits again or has ended.
    """
    thrown: BaseException | None = None
    while True:
        try:
            yield waits_for
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:  # handed on, never kept: it is the work that may answer it
            thrown = error
            note(error)
        try:
            waits_for = work.send(None) if thrown is None else work.throw(thrown)
        except StopIteration:
            return
        finally:
            if thrown is not None:
                thrown = None  # or its traceback would hold this frame, and this frame the error
                note(None)
