"""What a TaskGroup forgets before Python 3.13: to take back the cancellation that it asked for itself, where a task of it fails while it is being left.
Sees what is thrown into a task's work; knows no conversation."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Generator
from types import CodeType, coroutine
from typing import Any

__all__ = ["FORGETS", "is_forgotten", "telling"]

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


@coroutine
def telling(work: Coroutine[Any, Any, None], waits_for: Any, tell: Callable[[BaseException | None], None]) -> Generator[Any, Any, None]:
    """Await ``work`` to its end; its first step is taken, and now it ``waits_for`` something.

    ``tell`` is called with each error that is thrown into it, just before, and with ``None`` as soon as it waits again or has ended.
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
            tell(error)
        try:
            waits_for = work.send(None) if thrown is None else work.throw(thrown)
        except StopIteration:
            return
        finally:
            if thrown is not None:
                thrown = None  # or its traceback would hold this frame, and this frame the error
                tell(None)
