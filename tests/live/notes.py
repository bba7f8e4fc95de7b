"""How a conversation of the test app writes down what happens to it: under the ``key`` of its path."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

from .journal import journal


def note(scope: Any, line: str) -> None:
    journal.note(scope["path_params"]["key"], line)


def question(scope: Any, name: str, default: str = "") -> str:
    return parse_qs(scope["query_string"].decode()).get(name, [default])[0]


async def left(scope: Any) -> None:
    note(scope, "on_disconnect")


async def closed(scope: Any) -> None:
    close = scope["close"]
    note(scope, f"on_close {close['code']} {close['reason']!r} {close['by']}")


HOOKS: dict[str, Any] = {"on_disconnect": left, "on_close": closed}


def in_own_task(scope: Any, task: asyncio.Task[Any] | None) -> None:
    note(scope, "finally" if asyncio.current_task() is task else "finally in another task")
