"""``replay``: a record against a handler, today's or a changed one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shallot import websocket, ws_close, ws_send
from shallot.codec.transcripts import Exchange, Recorded, encode_value
from shallot.errors import EffectRefused
from shallot.testing import replay
from shallot.testing.replays import error_of


@websocket
async def chat(scope, receiver, room):
    async for message in receiver:
        match message:
            case "who":
                yield ws_send(f"{scope['identity']} in {room} of {scope['config'].get('house')}")
            case "save":
                try:
                    number = yield {"type": "job.save", "password": "x"}
                except EffectRefused as refused:
                    number = str(refused)
                yield ws_send(f"saved {number}")
            case "bye":
                yield ws_close(4000)
            case "end":
                return
            case "fail":
                raise KeyError("mine")
            case bytes():
                await asyncio.sleep(3600)
                yield ws_send(message)
            case {"type": "timer.fired"}:
                yield ws_send("late")


def heard(message: Any) -> Exchange:
    return Exchange("in", encode_value(message))


def said(effect: Any, result: Any = None, error: str | None = None) -> Exchange:
    return Exchange("out", encode_value(effect), result, error)


def recorded(*exchanges: Exchange, close: Any = (1001, "", "client")) -> Recorded:
    end = None if close is None else dict(zip(("code", "reason", "by"), close, strict=True))
    return Recorded("1", "chat:chat", ["lobby"], {"path": "/lobby", "identity": "ann"}, exchanges, end)


SAVE = {"type": "job.save", "password": "[redacted]"}


@pytest.mark.parametrize(
    "record",
    [
        recorded(),
        recorded(heard("who"), said(ws_send("ann in lobby of old"))),
        recorded(heard(b"\0"), said(ws_send(b"\0")), heard({"type": "timer.fired"}), said(ws_send("late"))),
        recorded(heard("save"), said(SAVE, 7), said(ws_send("saved 7"))),
        recorded(heard("save"), said(SAVE, error="EffectRefused: no"), said(ws_send("saved no"))),
        recorded(heard("bye"), said(ws_close(4000)), close=(4000, "", "server")),
        recorded(heard("end"), close=(1000, "", "server")),
        recorded(heard("fail"), close=(1011, "", "server")),
        recorded(heard("who"), close=(1012, "", "server")),
        recorded(heard("who"), said(ws_send("ann in lobby of old")), close=None),
    ],
    ids=["nothing", "scope", "messages", "result", "error", "our close", "end", "failure", "cut by the server", "broken off"],
)
def test_no_difference(record: Recorded) -> None:
    assert replay(record, chat, config={"house": "old"}) is None
    assert replay(record, chat.__wrapped__, config={"house": "old"}) is None


@pytest.mark.parametrize(
    "record, number, count, expected, got",
    [
        (recorded(heard("who"), said(ws_send("bob"))), 0, 1, ws_send("bob"), ws_send("ann in lobby of None")),
        (recorded(heard("end"), said(ws_send("more"))), 0, 1, ws_send("more"), None),
        (recorded(said(ws_send("hi"))), 0, 0, ws_send("hi"), None),
        (recorded(heard("save"), said(SAVE, 7), close=(1000, "", "server")), 1, 1, None, ws_send("saved 7")),
        (recorded(heard("fail")), 0, 1, None, {"raised": "KeyError('mine')"}),
        (recorded(heard("save"), said(SAVE, error="OSError: gone"), said(ws_send("a"))), 1, 1, ws_send("a"), {"raised": "RuntimeError('OSError: gone')"}),
    ],
    ids=["other", "ended early", "silent", "says more", "raises", "raises what it was told"],
)
def test_the_first_difference(record: Recorded, number: int, count: int, expected: Any, got: Any) -> None:
    assert replay(record, chat) == {"conversation": "1", "number": number, "heard": count, "expected": expected, "got": got}


def test_what_the_client_left_over_is_told_to_the_handler() -> None:
    seen: list[Any] = []

    async def handler(scope, receiver, room):
        try:
            async for _ in receiver:
                yield ws_send("x")
        except Exception as left:
            seen.append((left.code, left.reason))

    assert replay(recorded(close=(4001, "why", "client")), handler) is None
    assert seen == [(4001, "why")]


async def test_inside_a_loop_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="plain def"):
        replay(recorded(), chat)


@pytest.mark.parametrize("told, error", [("EffectRefused: why", EffectRefused("why")), ("KeyError: 'x'", RuntimeError("KeyError: 'x'"))])
def test_errors(told: str, error: Exception) -> None:
    assert repr(error_of(told)) == repr(error)
