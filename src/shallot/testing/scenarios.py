"""Scenarios: a conversation as rows, who says what and when, and the same rows as text. Pure; nothing is played here."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from ..codec.json import JSONError, format_json, parse_json
from ..websocket.wire import close_event, is_dict

__all__ = ["Row", "Scenario", "Step", "format_scenario", "parse_scenario", "read_scenario"]

ScenarioWay: TypeAlias = Literal["->", "<-"]
Row: TypeAlias = tuple[str, Any] | tuple[float, str, Any]
"""``(way, what)`` or ``(seconds, way, what)``."""
Scenario: TypeAlias = str | Sequence[Row]
"""Rows, or their text (``parse_scenario``)."""


class Step(NamedTuple):
    """One row, checked. ``at`` is in seconds since the opening; ``None``: as soon as it can be."""

    at: float | None
    way: ScenarioWay
    what: Any


_LINE = re.compile(r"(?:(?P<at>[0-9]+(?:\.[0-9]+)?)s\s+)?(?P<way>->|<-)\s+(?P<what>\S.*)")
_WORD = re.compile(r"(?P<word>bytes|close|denied)\b\s*(?P<rest>.*)")


def read_scenario(scenario: Scenario) -> list[Step]:
    """The steps of a scenario, rows or text; ``ValueError`` says which row is wrong, and how.

    >>> read_scenario([("->", "hi"), (0.5, "<-", "hello")])
    [Step(at=None, way='->', what='hi'), Step(at=0.5, way='<-', what='hello')]
    """
    rows: Iterable[Row] = parse_scenario(scenario) if isinstance(scenario, str) else scenario
    steps: list[Step] = []
    latest = 0.0
    for number, row in enumerate(rows, 1):
        step = _read_row(row, f"scenario, row {number}")
        if step.at is not None and step.at < latest:
            raise ValueError(f"scenario, row {number}: {step.at:g} s comes after {latest:g} s; times count from the opening")
        latest = latest if step.at is None else step.at
        steps.append(step)
    return steps


def _read_row(row: Any, where: str) -> Step:
    match row:
        case (("->" | "<-") as way, what):
            at = None
        case (int() | float() as at, ("->" | "<-") as way, what) if at >= 0:
            at = float(at)
        case _:
            raise ValueError(f"{where}: expected ('->' or '<-', what), or (seconds, way, what), got {row!r}")
    if isinstance(what, bool) or not isinstance(what, str | bytes | list | Mapping | int):
        raise ValueError(f"{where}: what is said is str, bytes, a JSON object or array, or ws_close(...), not {what!r}")
    if isinstance(what, int) and (way, where) != ("<-", "scenario, row 1"):
        raise ValueError(f"{where}: a number is the status of a denial, which can only be the first row, '<-'; got {way!r}, {what!r}")
    return Step(at, way, what)


def parse_scenario(text: str) -> list[Row]:
    """Rows from their text: a line each, ``-> what`` or ``<- what``, with ``5s`` before it for a time. Empty lines and ``#`` comments do not count.

    What is said is JSON: a string is a text message, an object or an array is sent as JSON. ``bytes`` goes before base64, ``close`` before a code and
    a reason as a JSON string, ``denied`` before the status of a refused handshake.

        >>> parse_scenario('''
        ... -> "hi"
        ... 600s <- close 1001 "idle"
        ... ''')
        [('->', 'hi'), (600.0, '<-', {'type': 'websocket.close', 'code': 1001, 'reason': 'idle'})]
    """
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        found = _LINE.fullmatch(stripped)
        if found is None:
            raise ValueError(f"scenario, line {number}: expected '-> what' or '5s <- what', got {stripped!r}")
        try:
            what = _parse_what(found["what"])
        except (JSONError, ValueError) as error:
            raise ValueError(f'scenario, line {number}: expected JSON, or bytes BASE64, close CODE "REASON", denied STATUS; got {found["what"]!r}') from error
        rows.append((found["way"], what) if found["at"] is None else (float(found["at"]), found["way"], what))
    return rows


def _parse_what(text: str) -> Any:
    found = _WORD.fullmatch(text)
    if found is None:
        return parse_json(text.encode())
    rest = found["rest"]
    match found["word"]:
        case "bytes":
            return b64decode(rest, validate=True)
        case "denied":
            return int(rest)
        case _:
            code, _, reason = rest.partition(" ")
            told: dict[str, Any] = {"type": "websocket.close", "code": int(code)}
            if reason.strip():
                told["reason"] = parse_json(reason.strip().encode())
            return told


def format_scenario(scenario: Scenario) -> str:
    """The text of a scenario, which ``parse_scenario`` reads.

    >>> print(format_scenario([("->", b"hi"), (2, "<-", {"n": 1})]), end="")
            -> bytes aGk=
         2s <- {"n":1}
    """
    return "".join(f"{format_step(step)}\n" for step in read_scenario(scenario))


def format_step(step: Step) -> str:
    """One line of a scenario's text."""
    at = "" if step.at is None else f"{step.at:g}s"
    return f"{at:>7} {step.way} {_format_what(step.what)}"


def _format_what(what: Any) -> str:
    if isinstance(what, bytes):
        return f"bytes {b64encode(what).decode()}"
    if isinstance(what, int):
        return f"denied {what}"
    if is_close(what):
        code, reason = close_event(what)
        return f"close {code} {format_json(reason).decode()}" if reason else f"close {code}"
    return format_json(what).decode()


def is_close(what: Any) -> bool:
    """Is it ``ws_close(...)``, and not a message?"""
    return is_dict(what) and "code" in what and what.get("type") == "websocket.close"
