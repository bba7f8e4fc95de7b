"""The client leaves: with a close frame, with a bare FIN, with a RST; while the handler reads, sends, sleeps, waits, is busy."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import pytest

from .conduct import told
from .conftest import Live
from .wire import TEXT, Closed, Wire

NOTICED_S = 3.0
"""The promise is one second; a busy machine gets three."""


async def _close(wire: Wire) -> None:
    await wire.close(4001, "so long")
    await wire.closed()  # and not before the server has answered: RFC 6455 7.1.1
    wire.drop()


async def _fin(wire: Wire) -> None:
    wire.drop()


async def _reset(wire: Wire) -> None:
    wire.reset()


LEAVES: dict[str, Callable[[Wire], Awaitable[None]]] = {"close": _close, "fin": _fin, "reset": _reset}


@pytest.mark.parametrize("how", LEAVES)
async def test_a_reader_gets_what_was_said_before_and_then_WSDisconnect(live: Live, how: str) -> None:
    wire = await live.wire("echo")
    for message in "abc":
        await wire.send(message)
        assert await wire.frame() == (TEXT, message.encode())
    await LEAVES[how](wire)
    lines = await live.seen("on_close")
    assert lines == [
        *("begin", "got 'a'", "got 'b'", "got 'c'"),
        *(f"WSDisconnect {told(live.server, how)}", "a send after leaving is dropped", "finally", "on_disconnect", f"on_close {told(live.server, how)} client"),
    ]


async def test_messages_sent_just_before_leaving_are_delivered(live: Live) -> None:
    wire = await live.wire("busy")
    for message in "abc":
        await wire.send(message)
    assert await wire.frame() == (TEXT, b"busy")
    await wire.close(1000)
    await live.go()
    await wire.closed()
    wire.drop()
    lines = await live.seen("on_close")
    assert lines == [
        "got 'a'",
        "got 'b'",
        "got 'c'",
        f"WSDisconnect {told(live.server, '1000')}",
        "finally",
        "on_disconnect",
        f"on_close {told(live.server, '1000')} client",
    ]


@pytest.mark.parametrize("how", LEAVES)
@pytest.mark.parametrize("room", ["sends", "sleeps", "waits"])
async def test_leaving_a_handler_that_never_read_is_noticed(live: Live, room: str, how: str) -> None:
    wire = await live.wire(room)
    if room == "waits":
        await live.seen("begin")
    else:
        assert (await wire.frame())[0] == TEXT
    began = time.monotonic()
    await LEAVES[how](wire)
    lines = [line for line in await live.seen("on_close") if line != "begin"]
    took = time.monotonic() - began
    assert lines == ["finally", "on_disconnect", f"on_close {told(live.server, how)} client"]
    assert took < NOTICED_S


async def test_leaving_is_noticed_though_nobody_read_what_was_said(live: Live) -> None:
    wire = await live.wire("waits")
    await live.seen("begin")
    for message in "abc":
        await wire.send(message)
    await _close(wire)
    lines = await live.seen("on_close", seconds=9)
    assert lines == ["begin", "finally", "on_disconnect", f"on_close {told(live.server, 'close')} client"]


@pytest.mark.parametrize("how", LEAVES)
async def test_a_busy_reader_that_does_not_come_back_is_cancelled(live: Live, how: str) -> None:
    wire = await live.wire("busy")
    await wire.send("a")
    assert await wire.frame() == (TEXT, b"busy")
    await LEAVES[how](wire)
    lines = await live.seen("on_close")
    assert lines == ["got 'a'", "cancelled", "finally", "on_disconnect", f"on_close {told(live.server, how)} client"]


async def test_a_handler_that_reads_in_a_task_of_its_own(live: Live) -> None:
    wire = await live.wire("tutorial")
    for message in "ab":
        await wire.send(message)
        assert await wire.frame() == (TEXT, message.encode())
    await _close(wire)
    lines = await live.seen("on_close")
    assert lines == ["the reader saw WSDisconnect", "finally", "on_disconnect", f"on_close {told(live.server, 'close')} client"]


async def test_a_half_closed_client_has_left(live: Live) -> None:
    wire = await live.wire("echo")
    await wire.send("a")
    assert await wire.frame() == (TEXT, b"a")
    wire.half_close()
    lines = await live.seen("on_close")
    wire.drop()
    assert lines[-3:-1] == ["finally", "on_disconnect"]


async def test_leaving_before_the_accept_runs_no_hook(live: Live) -> None:
    wire = await Wire.connect(live.server.port)
    await wire.write(f"GET {live.path('door?answer=hang')} HTTP/1.1\r\nhost: a\r\n".encode() + b"connection: Upgrade\r\nupgrade: websocket\r\n")
    await wire.write(b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    await live.seen("on_connect")
    wire.reset()
    await live.seen("on_connect finally")
    async with await live.wire("echo") as other:  # a whole conversation later there is still nothing
        await other.close()
        assert await other.closed() == Closed(1000, "")
    assert (await live.seen("on_close"))[:2] == ["on_connect", "on_connect finally"]


@pytest.mark.parametrize("hook", ["raise", "hang"])
async def test_a_bad_hook_spoils_nothing(live: Live, hook: str) -> None:
    wire = await live.wire(f"tight/bad_hooks?hook={hook}")
    await wire.send("a")
    assert await wire.frame() == (TEXT, b"a")
    await wire.close()
    await wire.closed()
    wire.drop()
    assert await live.seen("on_close") == ["on_disconnect", f"on_close {told(live.server, '1000')} client"]
    assert live.server.log.count(f"RuntimeError: secret of {live.key}\n") == (1 if hook == "raise" else 0)
