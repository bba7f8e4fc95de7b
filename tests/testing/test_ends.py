"""Ways to end, one by one, on a connection that counts its steps."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from shallot.testing import virtual_time, websocket_scope
from shallot.testing.ends import ENDS, CutLoop, CutServer

FIRST_SEND = ("send", 0)
FIRST_RECEIVE = ("receive", 0)


async def app(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": "hi"})


@pytest.mark.parametrize(
    "how, seen",
    [
        ("the client leaves", (0, 1, False)),
        ("the client leaves, and send stays silent", (0, 1, False)),
        ("the client leaves, and send blocks", (0, 1, True)),
        ("the server cancels", (0, 0, True)),
        ("send blocks", (0, 0, True)),
        ("send blocks, then the client leaves", (0, 1, False)),
        ("send blocks, then the server cancels", (0, 0, True)),
    ],
)
@virtual_time
async def test_ends(how: str, seen: Any) -> None:
    server = CutServer(websocket_scope("/"), Counter(), FIRST_SEND, ENDS[how])
    task = server.start(app)
    await asyncio.wait([task], timeout=60)
    is_stuck = not task.done()
    if is_stuck:
        task.cancel()
        await asyncio.wait([task])
    assert (len(server.sent), len(server.late), task.cancelled()) == seen
    assert server.struck and server.is_ending
    assert is_stuck == (how in ("the client leaves, and send blocks", "send blocks"))


@virtual_time
async def test_without_an_end_it_counts() -> None:
    counts: Counter[str] = Counter()
    server = CutServer(websocket_scope("/"), counts, None, None)
    server.start(app)
    server.push({"type": "websocket.receive", "text": "a"})
    await server.settle()
    assert not server.is_ending
    server.leave()
    await server.end()
    assert counts == {"receive": 3, "send": 2} and not server.struck


def test_waits_count_only_after_something_was_said() -> None:
    counts: Counter[str] = Counter()
    loop = CutLoop()

    async def main() -> None:
        server = CutServer(websocket_scope("/"), counts, None, None)
        await asyncio.sleep(1)
        loop.on_wait = server.rest
        await asyncio.sleep(1)
        await asyncio.sleep(1)
        server.start(app)
        await asyncio.sleep(1)
        await asyncio.sleep(1)
        loop.on_wait = None
        server.leave()
        await server.end()

    loop.run_until_complete(main())
    assert counts["wait"] == 2
    assert len(loop.timers) >= 4
    loop.close()


@virtual_time
async def test_an_end_while_it_receives() -> None:
    server = CutServer(websocket_scope("/"), Counter(), FIRST_RECEIVE, ENDS["the server cancels"])
    task = server.start(app)
    await asyncio.wait([task])
    assert task.cancelled() and server.received == []
