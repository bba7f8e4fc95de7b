"""How a conversation ends when the server's side ends it: what the client sees on the wire, and what runs after."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from .conftest import Live
from .wire import TEXT, Closed

SEND, CLOSE = "websocket.send", "websocket.close"


async def test_the_end_of_the_generator_is_a_close_with_1000(live: Live) -> None:
    async with await live.wire("ends?say=one+two") as wire:
        assert [await wire.frame(), await wire.frame()] == [(TEXT, b"one"), (TEXT, b"two")]
        assert await wire.closed() == Closed(1000, "")
        await wire.close()
    assert await live.seen("on_close") == ["finally", "on_close 1000 '' server"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, ""), (1001, "bye"), (1003, ""), (1008, "no"), (1011, "ours"), (1014, ""), (3000, ""), (4999, "yours"), (4000, "x" * 123), (4000, "\u20ac" * 41)],
    ids=lambda part: str(part)[:8],
)
async def test_ws_close_is_the_last_thing_that_happens(live: Live, code: int, reason: str) -> None:
    async with await live.wire("obey") as wire:
        await wire.send(json.dumps({"type": CLOSE, "code": code, "reason": reason}))
        await wire.send(json.dumps({"type": SEND, "text": "too late"}))
        assert await wire.closed() == Closed(code, reason)
        await wire.close()
    assert await live.seen("on_close") == ["finally", f"on_close {code} {reason!r} server"]


ILLEGAL: list[tuple[Any, str]] = [
    (None, "TypeError"),
    (5, "TypeError"),
    ("text", "TypeError"),
    ([], "TypeError"),
    ({}, "TypeError"),
    ({"type": "websocket.sned", "text": "x"}, "ValueError"),
    ({"type": SEND}, "TypeError"),
    ({"type": SEND, "text": 5}, "TypeError"),
    ({"type": SEND, "text": "a", "bytes": "b"}, "TypeError"),
    ({"type": CLOSE, "code": "1000"}, "TypeError"),
    ({"type": CLOSE, "code": True}, "TypeError"),
    *(({"type": CLOSE, "code": code}, "ValueError") for code in (-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 70000)),
    ({"type": CLOSE, "reason": "x" * 124}, "ValueError"),
    ({"type": CLOSE, "reason": "\u20ac" * 42}, "ValueError"),
    ({"type": CLOSE, "reason": 5}, "TypeError"),
]


@pytest.mark.parametrize(("effect", "error"), ILLEGAL, ids=lambda part: json.dumps(part)[:40])
async def test_what_is_no_effect_raises_at_the_yield_and_is_legal_on_the_wire(live: Live, effect: Any, error: str) -> None:
    async with await live.wire("obey") as wire:
        await wire.send(json.dumps(effect))
        assert await wire.closed() == Closed(1011, "")
        await wire.close()
    raised, *after = await live.seen("on_close")
    assert raised.startswith((error, "TypeError", "ValueError"))
    assert after == ["finally", "on_close 1011 '' server"]


async def test_an_error_at_the_yield_may_be_caught(live: Live) -> None:
    async with await live.wire("obey?forgive=1") as wire:
        for effect, _ in ILLEGAL:
            await wire.send(json.dumps(effect))
            assert await wire.frame() == (TEXT, b"forgiven")
        await wire.send(json.dumps({"type": SEND, "text": "still here"}))
        assert await wire.frame() == (TEXT, b"still here")


@pytest.mark.parametrize("stage", ["first", "sent", "read"])
async def test_a_handler_that_raises_is_logged_once_and_closed_with_1011(live: Live, stage: str) -> None:
    async with await live.wire(f"raises:{stage}") as wire:
        await wire.send("hi")
        assert await wire.closed() == Closed(1011, "")
        await wire.close()
    assert await live.seen("on_close") == ["finally", "on_close 1011 '' server"]
    assert live.server.log.count(f"RuntimeError: secret of {live.key}\n") == 1


@pytest.mark.parametrize("stage", ["left", "finally"])
async def test_an_error_after_the_client_left_is_logged_once(live: Live, stage: str) -> None:
    async with await live.wire(f"raises:{stage}") as wire:
        assert await wire.frame() == (TEXT, b"hello")
        await wire.close()
        await wire.closed()
    finished, disconnected, closed = await live.seen("on_close")
    assert (finished, disconnected, closed[-6:]) == ("finally", "on_disconnect", "client")
    assert live.server.log.count(f"RuntimeError: secret of {live.key}\n") == 1


@pytest.mark.parametrize(("said", "frames"), [("hello", [(TEXT, b"hello")]), ("nothing", [])])
async def test_a_plain_coroutine_gives_one_effect_or_none(live: Live, said: str, frames: list[tuple[int, bytes]]) -> None:
    async with await live.wire("coroutine") as wire:
        await wire.send(said)
        for frame in frames:
            assert await wire.frame() == frame
        assert await wire.closed() == Closed(1000, "")
        await wire.close()
    assert await live.seen("on_close") == ["finally", "on_close 1000 '' server"]


MESSAGES = ["", "a", "\u20ac\U0001f600", "x" * 126, "x" * 65536, "x" * 1024 * 1024, b"", b"\x00\xff", b"x" * 1024 * 1024, *map(str, range(200))]


async def test_every_message_comes_back_whole_and_in_order(live: Live) -> None:
    async with connect(f"{live.server.ws_url}/echo/{live.key}", max_size=None) as websocket:
        for message in MESSAGES:
            await websocket.send(message)
            assert await websocket.recv() == message
        for number in range(500):
            await websocket.send(f"n{number}")
        assert [await websocket.recv() for _ in range(500)] == [f"n{number}" for number in range(500)]
    assert (await live.seen("on_close"))[-3:-1] == ["finally", "on_disconnect"]
