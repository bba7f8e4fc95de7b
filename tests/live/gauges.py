"""What a server of ``soak_app`` holds, before and after: nothing may be left of what came and went."""

from __future__ import annotations

import asyncio
import json
import math
import resource
from collections.abc import Mapping

from . import soak_app
from .servers import Server
from .wire import Answer, Wire
from .works import THREADED, WORKS, Work

BACK = ("tasks", "ours", "generators", "fds", "threads", "conversations", "subscriptions")


async def begin_gauges(server: Server) -> dict[str, int]:
    """The gauges once every kind of work was done: threads have started, modules are loaded."""
    for _ in range(5):
        async with asyncio.TaskGroup() as group:
            for work in [*WORKS, *[THREADED] * soak_app.THREADS]:
                group.create_task(_once(server, work))
    now, before = await _gauges(server), {}
    while any(now[gauge] < before.get(gauge, math.inf) for gauge in BACK):  # some servers take a while to part
        before = now
        await asyncio.sleep(1)
        now = await _gauges(server)
    return before


async def ask(server: Server, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
    async with await Wire.connect(server.port) as wire:
        return await wire.request(method, path, headers, body)


async def _once(server: Server, work: Work) -> None:
    if not work.is_right(answer := await ask(server, work.method, work.path, work.headers, work.body)):
        raise AssertionError(f"{work.method} {work.path} was answered {answer}")


async def _gauges(server: Server) -> dict[str, int]:
    return dict(json.loads((await ask(server, "GET", "/gauges")).body))


async def settled_gauges(server: Server, before: Mapping[str, int], seconds: float) -> dict[str, int]:
    for _ in range(int(seconds / 0.5)):
        after = await _gauges(server)
        if all(after[gauge] <= before[gauge] for gauge in BACK):
            break
        await asyncio.sleep(0.5)
    return after


def raise_descriptors() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
