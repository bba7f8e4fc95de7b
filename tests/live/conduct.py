"""What a server does instead of what the row says, as data: nothing is skipped, every deviation is an expectation with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .servers import Server


class Instead(NamedTuple):
    value: Any
    reason: str


DEVIATIONS: Mapping[tuple[str, str], Instead] = {}
"""By row and by server: its name, or its family for all of one kind."""


def expected(row: str, server: Server, default: Any) -> Any:
    """What ``row`` expects of ``server``."""
    for which in (server.name, server.family):
        if (row, which) in DEVIATIONS:
            return DEVIATIONS[row, which].value
    return default


_TOLD = {"close": "4001 'so long'", "1000": "1000 ''", "fin": "1006 ''", "reset": "1006 ''"}


def told(server: Server, how: str) -> str:
    """The code and reason that ``server`` tells the app when the client left with a close frame (4001, 1000), a FIN or a RST."""
    text: str = expected(f"told {how}", server, _TOLD[how])
    return text
