"""By hand as it is done where a slow reader must hold up nobody: a queue for each socket, without a bound, and a task that waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

from ..apps.raw import live

HEARING: set[asyncio.Queue[str]] = set()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await live(receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    await (hear if scope["path"] == "/hear" else say)(receive, send)


async def hear(receive: Any, send: Any) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def forward() -> None:
        while True:
            await send({"type": "websocket.send", "text": await heard.get()})

    HEARING.add(heard)
    forwarding = asyncio.create_task(forward())
    try:
        while (await receive())["type"] == "websocket.receive":
            pass
    finally:
        HEARING.discard(heard)
        forwarding.cancel()


async def say(receive: Any, send: Any) -> None:
    while (event := await receive())["type"] == "websocket.receive":
        for heard in HEARING:
            heard.put_nowait(event["text"])
