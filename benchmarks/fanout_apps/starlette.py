"""Starlette with broadcaster, as in the chat of broadcaster's README."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from broadcaster import Broadcast
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

broadcast = Broadcast(os.environ.get("BROKER") or "memory://")


async def hear(websocket: WebSocket) -> None:
    await websocket.accept()
    async with anyio.create_task_group() as task_group:

        async def listen() -> None:
            async for _ in websocket.iter_text():
                pass
            task_group.cancel_scope.cancel()

        task_group.start_soon(listen)
        async with broadcast.subscribe(channel="room") as subscriber:
            async for event in subscriber:
                await websocket.send_text(event.message)


async def say(websocket: WebSocket) -> None:
    await websocket.accept()
    async for message in websocket.iter_text():
        await broadcast.publish(channel="room", message=message)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with broadcast:
        yield


app = Starlette(routes=[WebSocketRoute("/hear", hear), WebSocketRoute("/say", say)], lifespan=lifespan)
