"""What ``shallot.js`` is tried on: numbers from a channel, over sockets or events. ``REDIS_URL``: through Redis, else in memory."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

from shallot import build_server, publish, standard_not_found, subscribe, websocket, ws_send, ws_send_json
from shallot.browser import script_route
from shallot.channels import memory_channels, redis_channels
from shallot.middlewares import apply_middleware, wrap_parameters, wrap_routes
from shallot.response import html, text, ws_accept, ws_close

TOPICS = {"*": {"keep": 50, "ttl_s": 60}}
PAGE = '<!doctype html><link rel="icon" href="data:,"><script type="module">import { connect } from "/shallot.js"; window.connect = connect</script>'


async def hear(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    cursor = scope.get("cursor")
    for channel in (f"{key}:a", f"{key}:b"):
        place = yield subscribe(channel, cursor=cursor)
        if "told" in scope["query_params"]:
            yield ws_send_json({"type": "subscribed", "channel": channel, **place})
    async for message in receiver:
        match message:
            case {"type": "channel.message", "text": said}:
                yield ws_send(said)
                if "twice" in scope["query_params"]:
                    yield ws_send(said)
            case {"type": "channel.gap"}:
                yield ws_send_json(message)
            case str(code) if code.isdecimal():
                yield ws_close(int(code), "as you wish")
            case str(said):
                yield publish(f"{key}:a", said)


async def hear_many(scope: Any, receiver: Any, key: str, count: int) -> AsyncIterator[Any]:
    for number in range(count):
        place = yield subscribe(f"{key}:{number}", cursor=scope.get("cursor"))
        yield ws_send_json({"type": "subscribed", "channel": f"{key}:{number}", **place})
    async for message in receiver:
        if isinstance(message, dict) and message["type"] == "channel.gap":
            yield ws_send_json(message)


async def no_sockets(scope: Any) -> Any:
    """As behind a proxy that lets none through."""
    return text("no", 403) if scope["type"] == "websocket" else ws_accept()


async def tell(request: Any, key: str, channel: str, number: int) -> Any:
    return {"status": 202, "effects": [publish(f"{key}:{channel}", number)]}


async def page(request: Any) -> Any:
    return html(PAGE)


routes: list[Any] = [
    ("/", ["GET"], page),
    script_route,
    ("/numbers/{key}", ["WS", "GET"], websocket(hear)),
    ("/events/{key}", ["WS", "GET"], websocket(on_connect=no_sockets)(hear)),
    ("/many/{key}/{count:int}", ["WS"], websocket(hear_many)),
    ("/tell/{key}/{channel}/{number:int}", ["POST"], tell),
]
url = os.environ.get("REDIS_URL")
app = build_server(
    apply_middleware(wrap_parameters(), wrap_routes(routes))(standard_not_found),
    resources={"channels": redis_channels(url, TOPICS) if url else memory_channels(TOPICS)},
)
