"""The cells of the matrix: what the client may see in each, and what the journal must tell. Knows no server."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .room import OURS

__all__ = ["Cell", "Result", "judge"]


class Cell(NamedTuple):
    fault: str
    stage: str

    @property
    def name(self) -> str:
        return f"{self.fault}, {self.stage}"


class Result(NamedTuple):
    told: str
    """What the client saw: ``answered 500``, ``closed 1011``, ``cut`` (an end without a close frame), ``gone`` (it left by itself), ``silence``."""
    wrong: Sequence[str]


_DENIED = {"connect", "accept"}
_CLOSED_BEFORE = {"in a hook": {"closed 4000"}, "at close": {"closed 4000"}, "at shutdown": {"closed 1012", "cut", "closed 1006"}}
_DENIALS: Mapping[str, str] = {"raise": "answered 500", "hang": "answered 503", "broker down": "answered 503", "double answer": "answered 500"}
_CLOSES: Mapping[str, str] = {
    "raise": "closed 1011",
    "hang": "closed 1001",
    "cancel": "closed 1012",
    "broker down": "closed 1013",
    "double answer": "closed 1011",
}
CANCELLED = {"answered 500", "answered 403", "cut"}
"""What servers make of an app that ends cancelled before it has answered."""
ENDED = {"cut", "closed 1000", "closed 4000", "closed 1001", "closed 1012", "gone"}


def expected(cell: Cell) -> set[str]:
    """What the client may be told."""
    fault, stage = cell
    if stage in _CLOSED_BEFORE:
        return _CLOSED_BEFORE[stage] | ({"gone", "cut"} if fault not in OURS else set())
    if cell == ("slow read", "in a yield"):
        # The conversation has ended, and not by a close of ours: what becomes of the socket is the server's.
        return {"cut", "silence", "closed 1011", "closed None"}
    if fault == "double answer" and stage == "connect":
        return {"closed 1000"}
    if fault in OURS and stage in _DENIED:
        return {_DENIALS[fault]} if fault in _DENIALS else CANCELLED
    return {_CLOSES[fault]} if fault in OURS else ENDED


def judge(cell: Cell, told: str, lines: Sequence[str]) -> Result:
    """The promises that hold in each cell."""
    begun, finished, hooks = (sum(line.startswith(what) for line in lines) for what in ("begin", "finally", "on_close"))
    wrong: list[str] = []
    if told not in expected(cell):
        wrong.append(f"the client was told {told!r}, not {' or '.join(sorted(expected(cell)))}")
    if finished != begun or "finally in another task" in lines:
        wrong.append(f"the handler began {begun} times and finished {finished} times: {lines}")
    if hooks > 1 or (begun and not hooks):
        wrong.append(f"on_close ran {hooks} times: {lines}")
    if cell.stage in _DENIED and cell.fault in OURS and begun and not (cell == ("double answer", "connect")):
        wrong.append(f"the handler began though there was no accept: {lines}")
    if any(re.search("secret|Traceback", line) for line in lines):
        wrong.append(f"the journal holds {lines}")
    return Result(told, wrong)
