"""Connecting and breaking off, thousands of times: tasks, generators and file descriptors are back where they began.

``LIVE_CYCLES=10000`` runs the full count (about half a minute); the default is a tenth.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from itertools import cycle, islice, product

from .conduct import expected
from .conftest import Live
from .wire import CLOSE, UPGRADE, Wire, frame

CYCLES = int(os.environ.get("LIVE_CYCLES", "1000"))
AT_ONCE = 50


async def _before_the_answer(wire: Wire, path: str) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"host": "a", **UPGRADE}.items())
    await wire.write(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())


async def _once_open(wire: Wire, path: str) -> None:
    assert (await wire.upgrade(path)).status == 101


async def _after_a_message(wire: Wire, path: str) -> None:
    await _once_open(wire, path)
    await wire.send("x" * 100)


async def _asked(wire: Wire, path: str) -> None:
    await wire.write(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())


async def _within_the_stream(wire: Wire, path: str) -> None:
    await _asked(wire, path)
    await wire.until(b"\r\n\r\n")


async def _half_a_body(wire: Wire, path: str) -> None:
    await wire.write(f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc".encode())


async def _close_frame(wire: Wire) -> None:
    await wire.close(4001, "so long")


async def _fin(wire: Wire) -> None:
    wire.drop()


async def _reset(wire: Wire) -> None:
    wire.reset()


ROOMS = ["echo", "sends", "sleeps", "waits", "busy", "tutorial", "timers", "feeds", "floods_client"]
KINDS_OF_CYCLE: list[tuple[str, Callable[[Wire, str], Awaitable[None]], Callable[[Wire], Awaitable[None]]]] = [
    *product([*ROOMS, "door?answer=hang"], [_before_the_answer], [_fin, _reset]),
    *product(ROOMS, [_once_open, _after_a_message], [_close_frame, _fin, _reset]),
    *product(["drips", "silence", "counts?to=100000", "tight/firehose"], [_asked, _within_the_stream], [_fin, _reset]),
    *product(["show", "swallows"], [_half_a_body], [_fin, _reset]),
]


async def test_connecting_and_breaking_off_leaves_nothing_behind(live: Live) -> None:
    cycles = CYCLES if live.server.name == "uvicorn" else CYCLES // 5
    await live.http("POST", live.path("tight/show"))  # the app that starts with its first request has started
    before, began = await live.gauges(), time.monotonic()
    await _run(live, cycles)
    took = time.monotonic() - began
    await live.settled({gauge: before[gauge] for gauge in ("ours", "generators", "fds")})
    after = await live.gauges()
    print(f"\n{live.server.name}: {cycles} cycles in {took:.1f} s; " + ", ".join(f"{gauge} {before[gauge]} -> {after[gauge]}" for gauge in before))


async def test_a_client_that_speaks_before_it_is_answered_and_leaves(live: Live) -> None:
    before = await live.gauges()
    async with await Wire.connect(live.server.port) as wire:
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"host": "a", **UPGRADE}.items())
        await wire.write(f"GET {live.path('holds')} HTTP/1.1\r\n{lines}\r\n".encode() + frame(CLOSE, b"\x03\xe8"))  # in one piece
    await live.seen("websocket.connect")  # it has begun, so there is an end to wait for
    forgotten: int = expected("speaks too early", live.server, 0)
    await live.settled({"ours": before["ours"] + forgotten})
    assert (await live.gauges())["ours"] == before["ours"] + forgotten


async def _run(live: Live, cycles: int) -> None:
    kinds = islice(cycle(KINDS_OF_CYCLE), cycles)

    async def work() -> None:
        for room, stage, leave in kinds:
            async with await Wire.connect(live.server.port) as wire:
                await stage(wire, live.path(room))
                await leave(wire)

    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
