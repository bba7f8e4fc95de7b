"""``BATCH``: how many messages may come as one; 0: each alone. ``TOPIC``: the channel's settings as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from typing import Any

from shallot import build_server, publish, standard_not_found, subscribe, websocket, ws_send
from shallot.channels import memory_channels
from shallot.middlewares import apply_middleware, wrap_routes

BATCH = int(os.environ.get("BATCH", "0")) or None
BROKER = os.environ.get("BROKER", "")
TOPICS = {"room": json.loads(os.environ.get("TOPIC", "{}"))}


@websocket
async def hear(scope: Any, receiver: Any) -> AsyncIterator[Any]:
    yield subscribe("room", batch=BATCH)
    async for message in receiver:
        if isinstance(message, dict) and message["type"] == "channel.message":
            yield ws_send(message["text"])


@websocket
async def say(scope: Any, receiver: Any) -> AsyncIterator[Any]:
    async for text in receiver:
        yield publish("room", text)


def channels() -> Any:
    if not BROKER:
        return memory_channels(TOPICS)
    from shallot.channels.redis import redis_channels

    return redis_channels(BROKER, TOPICS)


routes = [("/hear", ["WS"], hear), ("/say", ["WS"], say)]
app = build_server(apply_middleware(wrap_routes(routes))(standard_not_found), resources={"channels": channels()})
