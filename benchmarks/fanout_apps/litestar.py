"""As in its documentation on channels: a subscriber that sends in the background, while the handler waits for the client."""

from __future__ import annotations

import os

from litestar import Litestar, WebSocket, websocket
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.channels.backends.redis import RedisChannelsPubSubBackend
from litestar.exceptions import WebSocketDisconnect
from redis.asyncio import Redis


@websocket("/hear")
async def hear(socket: WebSocket, channels: ChannelsPlugin) -> None:
    await socket.accept()
    async with channels.start_subscription("room") as subscriber, subscriber.run_in_background(socket.send_text):
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            pass


@websocket("/say")
async def say(socket: WebSocket, channels: ChannelsPlugin) -> None:
    await socket.accept()
    try:
        while True:
            await channels.wait_published(await socket.receive_text(), "room")
    except WebSocketDisconnect:
        pass


BROKER = os.environ.get("BROKER", "")
backend = RedisChannelsPubSubBackend(redis=Redis.from_url(BROKER)) if BROKER else MemoryChannelsBackend()
app = Litestar([hear, say], plugins=[ChannelsPlugin(backend=backend, channels=["room"])])
