"""Connecting and breaking off, thousands of times: tasks, generators and file descriptors are back where they began.

``LIVE_CYCLES=10000`` runs the full count (about half a minute); the default is a tenth.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from itertools import cycle, islice, product

from .conftest import Live
from .wire import UPGRADE, Wire

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


async def _close_frame(wire: Wire) -> None:
    await wire.close(4001, "so long")


async def _fin(wire: Wire) -> None:
    wire.drop()


async def _reset(wire: Wire) -> None:
    wire.reset()


LEAVES = [_close_frame, _fin, _reset]
STAGES: list[Callable[[Wire, str], Awaitable[None]]] = [_before_the_answer, _once_open, _after_a_message]
ROOMS = ["echo", "sends", "sleeps", "waits", "busy", "tutorial", "timers", "feeds", "floods_client", "door?answer=hang"]
KINDS_OF_CYCLE = list(product(ROOMS, STAGES, LEAVES))


async def test_connecting_and_breaking_off_leaves_nothing_behind(live: Live) -> None:
    cycles = CYCLES if live.server.name == "uvicorn" else CYCLES // 5
    await _run(live, len(KINDS_OF_CYCLE))  # each kind once: what is made once and kept is there
    await _quiet(live)
    before, began = await live.gauges(), time.monotonic()
    await _run(live, cycles)
    took = time.monotonic() - began
    for gauge in ("ours", "generators", "fds"):
        await live.settled(gauge, before[gauge])
    after = await live.gauges()
    print(f"\n{live.server.name}: {cycles} cycles in {took:.1f} s; " + ", ".join(f"{gauge} {before[gauge]} -> {after[gauge]}" for gauge in before))


async def _run(live: Live, cycles: int) -> None:
    kinds = islice(cycle(KINDS_OF_CYCLE), cycles)

    async def work() -> None:
        for room, stage, leave in kinds:
            if room.startswith("door") and stage is not _before_the_answer:
                stage = _before_the_answer  # that door never opens
            async with await Wire.connect(live.server.port) as wire:
                await stage(wire, live.path(room))
                await leave(wire)

    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


async def _quiet(live: Live) -> None:
    """Wait until the app has done with all of the warm-up: only the task that answers is left of ours."""
    for _ in range(200):
        first = await live.gauges()
        await asyncio.sleep(0.1)
        if await live.gauges() == first | {"objects": first["objects"]} or first["tasks"] <= 4:
            return
