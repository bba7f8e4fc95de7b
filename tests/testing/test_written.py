"""``format_tests``: a transcript as a file of tests that run."""

from __future__ import annotations

from typing import Any

import pytest

from shallot import every, feed, websocket, ws_send
from shallot.codec.transcripts import Exchange, Recorded, encode_value
from shallot.errors import EffectRefused
from shallot.testing import format_tests


@websocket
async def save(scope, receiver, room):
    yield every(1, "tick")
    async for message in receiver:
        match message:
            case str(text):
                try:
                    number = yield {"type": "job.save", "text": text}
                except EffectRefused as refused:
                    number = str(refused)
                yield ws_send(f"{scope['identity']} {room} {number}")
            case bytes():
                yield ws_send(message)


def record(*exchanges: Exchange, handler: str = f"{__name__}:save") -> Recorded:
    request = {"type": "websocket", "method": "WS", "path": "/lobby", "identity": "ann", "x-y": 1}
    return Recorded("1", handler, ["lobby"], request, exchanges, {"code": 1000, "reason": "", "by": "client"})


GOOD = record(
    Exchange("out", every(1, "tick")),
    Exchange("in", "a"),
    Exchange("out", {"type": "job.save", "text": "a"}, 7),
    Exchange("out", ws_send("ann lobby 7")),
    Exchange("in", "b"),
    Exchange("out", {"type": "job.save", "text": "b"}, None, "EffectRefused: no"),
    Exchange("out", ws_send("ann lobby no")),
    Exchange("in", encode_value(b"\0")),
    Exchange("out", encode_value(ws_send(b"\0"))),
)


def run_tests(text: str) -> list[str]:
    names: dict[str, Any] = {}
    module = __name__.rpartition(".")[0]
    exec(compile(text, f"{module}.py", "exec"), names)
    tests = [name for name in names if name.startswith("test_")]
    for name in tests:
        names[name]()
    return tests


def test_the_file_runs() -> None:
    text = format_tests([GOOD, GOOD])
    assert run_tests(text) == ["test_conversation_1", "test_conversation_2"]
    assert "replies={'job.save': iter([7, EffectRefused('no')])}" in text
    assert "from shallot.errors import EffectRefused\n" in text


def test_it_can_fail() -> None:
    wrong = GOOD._replace(exchanges=[*GOOD.exchanges, Exchange("out", ws_send("more"))])
    with pytest.raises(AssertionError):
        run_tests(format_tests([wrong]))


@pytest.mark.parametrize(
    "recorded, why",
    [
        (record(Exchange("out", encode_value(feed("a", iter(()))))), "is no data"),
        (record(handler="chat:build.<locals>.chat"), "inside a function"),
    ],
    ids=["an object", "a local handler"],
)
def test_what_cannot_be_written_is_left_out_and_said(recorded: Recorded, why: str) -> None:
    text = format_tests([recorded])
    assert run_tests(text) == []
    assert "# conversation 1 is left out: " in text and why in text


def test_errors_that_are_not_ours() -> None:
    text = format_tests([record(Exchange("out", {"type": "a"}, None, "KeyError: 'x'"))])
    assert "iter([RuntimeError(\"KeyError: 'x'\")])" in text and "shallot.errors" not in text
