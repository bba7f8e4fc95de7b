"""Conversations that also answer a GET with events, and channels for them to hear: the app of ``test_event_streams``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from shallot import build_server, publish, standard_not_found, subscribe, websocket, ws_send
from shallot.channels import memory_channels
from shallot.middlewares import apply_middleware, wrap_cookies, wrap_cors, wrap_routes
from shallot.response import with_cookie

from . import pages, rooms
from .journal import journal
from .notes import HOOKS, note


@websocket(**HOOKS)
async def numbers(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    try:
        yield subscribe(f"{key}:a", cursor=scope.get("cursor"))
        yield subscribe(f"{key}:b", cursor=scope.get("cursor"))
        async for message in receiver:
            yield ws_send(f"{message['channel'][-1]} {message['data']}")
    finally:
        note(scope, "finally")


@websocket(**HOOKS)
async def fails(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    yield ws_send("one")
    raise LookupError("secret")


@websocket(send_s=0.5, **HOOKS)
async def floods(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    try:
        note(scope, "begin")
        while True:
            yield ws_send("x" * 100_000)
    finally:
        note(scope, "finally")


async def tell(request: Any, key: str, channel: str, number: int) -> Any:
    return {"status": 202, "effects": [publish(f"{key}:{channel}", number)]}


def wrap_greeting(next_middleware: Any) -> Any:
    async def greet(handler: Any, request: Any) -> Any:
        return with_cookie(await next_middleware(handler, request), "layer", "seen")

    return greet


routes: list[Any] = [
    ("/seen/{key}", ["GET"], pages.seen),
    ("/gauges", ["GET"], pages.gauges),
    ("/tell/{key}/{channel}/{number:int}", ["POST"], tell),
    *(
        (f"/{handler.__name__}/{{key}}", ["WS", "GET"], handler)
        for handler in (rooms.ends, rooms.echo, rooms.sends, rooms.sleeps, rooms.waits, rooms.timers, numbers, fails, floods)
    ),
]


async def end(context: Any) -> None:
    journal.note("lifespan", "on_stop")


app = build_server(
    apply_middleware(wrap_cookies(), wrap_greeting, wrap_cors("https://a.example"), wrap_routes(routes))(standard_not_found),
    resources={"channels": memory_channels({"*": {"keep": 100}})},
    on_stop=end,
)
