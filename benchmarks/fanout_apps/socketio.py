"""python-socketio: a room that a client enters when it asks to."""

from __future__ import annotations

import os
from typing import Any

import socketio

BROKER = os.environ.get("BROKER", "")
sio = socketio.AsyncServer(async_mode="asgi", client_manager=socketio.AsyncRedisManager(BROKER) if BROKER else None)


@sio.event
async def hear(sid: str, data: Any) -> None:
    await sio.enter_room(sid, "room")
    await sio.emit("heard", "", to=sid)


@sio.event
async def say(sid: str, data: str) -> None:
    await sio.emit("said", data, room="room")


app = socketio.ASGIApp(sio)
