"""What a TaskGroup forgets before Python 3.13: to take back the cancellation that it asked for itself, where a task of it fails while it is being left.
Sees what is thrown into a task's work; knows no conversation."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Generator
from types import CodeType, coroutine
from typing import Any

__all__ = ["FORGETS", "Cancellable", "is_forgotten", "noting"]

FORGETS: bool = sys.version_info < (3, 13)
"""After such a group ``Task.cancelling()`` looks for ever as if somebody wanted the task to end (CPython issue 116720)."""

LEAVING: CodeType = asyncio.TaskGroup.__aexit__.__code__


def is_forgotten(thrown: BaseException) -> bool:
    """Is ``thrown`` the cancellation that a TaskGroup asked for, and caught, while it was being left? True but once for each group."""
    seen = thrown.__traceback__
    if seen is None or seen.tb_frame.f_code is not LEAVING:  # the last frame that it reached, which is the one that caught it
        return False
    group: Any = seen.tb_frame.f_locals["self"]
    is_own, group._parent_cancel_requested = group._parent_cancel_requested, False  # nothing asks for it any more
    return bool(is_own)


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
