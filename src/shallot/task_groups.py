"""What a TaskGroup forgets before Python 3.13: to take back the cancellation that it asked for itself, where a task of it fails while it is being left."""

from __future__ import annotations

import asyncio
import sys
from types import CodeType
from typing import Any

__all__ = ["FORGETS", "is_forgotten"]

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
