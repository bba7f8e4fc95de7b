"""What a failing test tells: what was expected, where the app stands, and all that went in and out. Waits for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from ..types import Event, Scope

__all__ = ["Transcript", "Unexpected", "Way", "tell"]

Way: TypeAlias = Literal["in", "out", "late"]
"""``in``: the app received it; ``out``: the app sent it; ``late``: the app sent it on a closed connection."""

Transcript: TypeAlias = Sequence[tuple[Way, Event]]
"""All events of a connection, in the order in which they passed."""

_ARROWS = {"in": "->", "out": "<-", "late": "x-"}
_LINES = 20
_COLUMNS = 160


class Unexpected(AssertionError):
    """What came is not what the test expected, or nothing came in time. The text tells everything that went in and out so far."""


def tell(what: str, scope: Scope, task: asyncio.Task[None] | None, transcript: Transcript) -> str:
    """``what``, where the app stands, and the last 20 events."""
    left_out = len(transcript) - _LINES
    return "\n".join(
        [
            what,
            f"{scope['type']} {scope.get('path', '')}".rstrip() + f": {_stand(task)}",
            "so far:" if transcript else "so far: nothing",
            *([f"  ... {left_out} events before"] if left_out > 0 else []),
            *(f"  {_ARROWS[way]} {_short(event)}" for way, event in transcript[-_LINES:]),
        ]
    )


def _stand(task: asyncio.Task[None] | None) -> str:
    if task is None:
        return "the app was not started"
    if task.cancelled():
        return "the app was cancelled"
    if task.done():
        return f"the app has ended{': ' + repr(task.exception()) if task.exception() else ''}"
    return f"the app waits in {' > '.join(_frames(task.get_coro())[-4:])}"


def _frames(waiting: Any) -> list[str]:
    """The functions that a suspended coroutine stands in, outermost first; an ``asend`` does not tell what is below it."""
    names: list[str] = []
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None:
            names.append(f"{frame.f_code.co_name} ({frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno})")
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    return names


def _short(event: Event) -> str:
    text = repr(dict(event))
    return text if len(text) <= _COLUMNS else text[: _COLUMNS - 3] + "..."
