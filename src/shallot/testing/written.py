"""A transcript as a test file: text out, and nothing is run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pprint import pformat
from typing import Any

from ..codec.transcripts import Recorded, decode_value
from .replays import error_of
from .requests import request

__all__ = ["format_tests"]

MIDDLEWARES_OWN = ("type", "method", "path")


def format_tests(transcript: Iterable[Recorded]) -> str:
    """A test file of ``run(...)``, one test for each conversation; handlers are imported by the names that they had.

    A conversation that heard or yielded something that is no data, such as the iterable of a feed, is left out, and a comment says so.
    """
    tests: list[str] = []
    handlers: set[str] = set()
    raised: set[str] = set()
    for number, recorded in enumerate(transcript, 1):
        try:
            imported = _import_of(recorded)
            tests.append(_format_test(number, recorded, raised))
            handlers.add(imported)
        except ValueError as error:
            tests.append(f"# conversation {recorded.id} is left out: {error}\n")
    imports = [
        *sorted(handlers),
        *([f"from shallot.errors import {', '.join(sorted(raised))}"] if raised else []),
        "from shallot.testing import request, run",
    ]
    head = ['"""Conversations as they went over the wire."""', "", *imports, ""]
    return "\n\n".join(["\n".join(head), *tests])


def _import_of(recorded: Recorded) -> str:
    module, _, name = recorded.handler.partition(":")
    if "<" in name:
        raise ValueError(f"{recorded.handler} was made inside a function, so it cannot be imported")
    return f"from {module} import {name.partition('.')[0]}"


def _format_test(number: int, recorded: Recorded, raised: set[str]) -> str:
    outs = [exchange for exchange in recorded.exchanges if exchange.kind == "out"]
    inputs = [decode_value(exchange.value) for exchange in recorded.exchanges if exchange.kind == "in"]
    effects = [decode_value(exchange.value) for exchange in outs]
    replies: dict[str, list[str]] = {}
    for exchange, effect in zip(outs, effects, strict=True):
        if exchange.error is not None:
            error = error_of(exchange.error)
            replies.setdefault(effect["type"], []).append(repr(error))
            raised |= {type(error).__name__} - {"RuntimeError"}
        elif not effect["type"].startswith("websocket."):
            replies.setdefault(effect["type"], []).append(repr(decode_value(exchange.result)))
    told = [f"{kind!r}: iter([{', '.join(values)}])" for kind, values in replies.items() if set(values) != {"None"}]
    keys = "".join(f", {name}={value!r}" if name.isidentifier() else "" for name, value in _keys(recorded.request).items())
    lines = [
        f"def test_conversation_{number}():",
        "    said = run(",
        f"        {recorded.handler.partition(':')[2]},",
        f"        request('WS', {recorded.request['path']!r}{keys}),",
        f"        {_format(inputs, 8)},",
        f"        params={list(recorded.params)!r},",
        *([f"        replies={{{', '.join(told)}}},"] if told else []),
        "    )",
        f"    assert said == {_format(effects, 4)}\n",
    ]
    return "\n".join(lines)


def _keys(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """What ``request("WS", path)`` would not have by itself."""
    usual = request("WS", recorded["path"])
    return {key: value for key, value in recorded.items() if key not in MIDDLEWARES_OWN and usual.get(key) != value}


def _format(value: Any, indent: int) -> str:
    return pformat(value, width=120, sort_dicts=False).replace("\n", "\n" + " " * indent)
