"""By hand: a set of sends and a loop over it. One process only; who reads slowly holds up everybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..apps.raw import live

HEARING: set[Callable[[Any], Awaitable[None]]] = set()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await live(receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/hear":
        HEARING.add(send)
    try:
        while (event := await receive())["type"] == "websocket.receive":
            if scope["path"] == "/say":
                said = {"type": "websocket.send", "text": event["text"]}
                for each in list(HEARING):
                    try:
                        await each(said)
                    except OSError:
                        HEARING.discard(each)
    finally:
        HEARING.discard(send)
