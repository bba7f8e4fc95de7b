from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from shallot import outcomes
from shallot.deadline import DeadlinePassed
from shallot.errors import BodyTooLarge, ClientDisconnect, Unavailable
from shallot.outcomes import Outcome, WatchedStream, outcome_of_error, status_of_error, with_outcome, with_tap

GET = {"method": "GET", "body": b"abc"}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "perf_counter", lambda: 10.5)


async def chunks(*texts: bytes) -> AsyncIterator[bytes]:
    for text in texts:
        yield text


def conversation(**keys: Any) -> Any:
    return {"status": 101, "websocket": {"taps": [{"end": print}], **keys}}


@pytest.mark.parametrize(
    ("response", "request_", "outcome"),
    [
        pytest.param({"status": 200, "body": b"hello"}, GET, Outcome(200, 0.5, 3, 5), id="a body"),
        pytest.param({"status": 204}, {"method": "GET"}, Outcome(204, 0.5), id="none"),
        pytest.param({"status": 200, "body": b"hello"}, {"method": "HEAD"}, Outcome(200, 0.5), id="a HEAD"),
        pytest.param({"status": 200, "file": "x"}, GET, Outcome(200, 0.5, 3, None), id="a file"),
        pytest.param({"status": 200, "file": "x", "headers": {"Content-Length": "7"}}, GET, Outcome(200, 0.5, 3, 7), id="a file with its length"),
        pytest.param({"status": 200, "file": "x", "headers": {"content-length": "²"}}, GET, Outcome(200, 0.5, 3, None), id="a length that is none"),
        pytest.param({"status": 200, "stream": 5}, GET, Outcome(200, 0.5, 3), id="no stream, which the core will refuse"),
        pytest.param({"status": 101}, GET, Outcome(101, 0.5, 3), id="no conversation"),
    ],
)
def test_what_is_over_at_once(response: Any, request_: Any, outcome: Outcome) -> None:
    told: list[Outcome] = []
    assert with_outcome(response, request_, 10.0, told.append) is response
    assert told == [outcome]


async def test_a_stream_is_told_at_its_end() -> None:
    told: list[Outcome] = []
    response = with_outcome({"status": 200, "stream": chunks(b"ab", b"c")}, GET, 10.0, told.append)
    stream: Any = response["stream"]
    assert told == []
    assert [chunk async for chunk in stream] == [b"ab", b"c"]
    await stream.aclose()
    assert told == [Outcome(200, 0.5, 3, 3)]


async def test_a_stream_that_is_closed_before_is_cut() -> None:
    told: list[Outcome] = []
    inner = chunks(b"ab", b"c")
    stream: Any = with_outcome({"status": 200, "stream": inner}, GET, 10.0, told.append)["stream"]
    assert await anext(stream) == b"ab"
    await stream.aclose()
    assert told == [Outcome(200, 0.5, 3, 2, is_whole=False)]
    with pytest.raises(StopAsyncIteration):
        await anext(inner)


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
async def test_a_stream_that_raises_is_cut(error: Any) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise error

    told: list[Any] = []
    stream = WatchedStream(broken(), lambda *what: told.append(what))
    assert await anext(stream) == b"a"
    with pytest.raises(error):
        await anext(stream)
    await stream.aclose()
    assert told == [(1, False)]


class Twice:
    """An iterable that is not its own iterator, and has something to close itself."""

    def __init__(self) -> None:
        self.closed: list[str] = []

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.walk()

    async def walk(self) -> AsyncIterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            self.closed.append("iterator")

    async def aclose(self) -> None:
        self.closed.append("iterable")


async def test_all_of_a_stream_is_closed() -> None:
    twice = Twice()
    async with aclosing(WatchedStream(twice, lambda *what: None)) as stream:  # type: ignore[type-var]
        await anext(stream)
    assert twice.closed == ["iterator", "iterable"]
    twice = Twice()
    await WatchedStream(twice, lambda *what: None).aclose()
    assert twice.closed == ["iterable"]


def test_a_conversation_is_counted_and_told_at_its_end() -> None:
    told: list[Any] = []
    response = conversation()
    watched: Any = with_outcome(response, GET, 10.0, told.append, on_begin=lambda: told.append("begin"), on_message=lambda *what: told.append(what))
    first, tap = watched["websocket"]["taps"]
    assert first == {"end": print} and response == conversation()
    scope = {"close": {"code": 1000, "reason": "", "by": "client"}}
    tap["begin"](scope)
    for message in ("é", b"abc", {"type": "timer.fired"}, "\ud800"):
        assert tap["message"](scope, message) is message
    for effect in ({"type": "websocket.send", "text": "hello"}, {"type": "websocket.send", "bytes": b"x"}, {"type": "websocket.send"}, {"type": "timer.after"}):
        assert tap["effect"](scope, effect) is effect
    tap["end"](scope)
    assert told == [
        "begin",
        *[("in", 2), ("in", 3), ("in", 3)],
        *[("out", 5), ("out", 1), ("out", 0)],
        Outcome(101, 0.5, 8, 6, 3, 3, {"code": 1000, "reason": "", "by": "client"}),
    ]


def test_a_conversation_may_be_only_told() -> None:
    told: list[Any] = []
    watched: Any = with_outcome(conversation(), GET, 10.0, told.append)
    tap = watched["websocket"]["taps"][-1]
    assert sorted(tap) == ["effect", "end", "message"]
    tap["message"]({}, "a")
    tap["effect"]({}, {"type": "websocket.send", "text": "b"})
    assert told == []


def test_a_tap_needs_a_conversation() -> None:
    assert with_tap({"status": 101}, {}) == {"status": 101}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyError("x"), 500),
        (BodyTooLarge(), 413),
        (Unavailable(), 503),
        (ExceptionGroup("", [BodyTooLarge()]), 413),
        (ClientDisconnect(), None),
        (asyncio.CancelledError(), None),
        (DeadlinePassed(), 503),
    ],
    ids=repr,
)
def test_of_an_error(error: BaseException, status: int | None) -> None:
    assert status_of_error(error) == status
    assert outcome_of_error(error, GET, 10.0) == Outcome(status, 0.5, 3)


@pytest.mark.parametrize(("error", "status"), [(asyncio.CancelledError(), 503), (ClientDisconnect(), None), (BodyTooLarge(), 413)], ids=repr)
def test_of_an_error_once_time_is_up(error: BaseException, status: int | None) -> None:
    assert outcome_of_error(error, {**GET, "overdue": True}, 10.0) == Outcome(status, 0.5, 3)
