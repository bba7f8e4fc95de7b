"""The app that the live tests talk to: one with default limits and, under ``/tight``, one whose limits a test can wait for."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shallot import build_server, standard_not_found
from shallot.middlewares import apply_middleware, wrap_cookies, wrap_routes

from . import doors, pages, pressure, rooms
from .journal import journal

logging.basicConfig(level=logging.INFO)

WINDOW = [("/seen/{key}", ["GET"], pages.seen), ("/open/{key}", ["POST"], pages.opens), ("/gauges", ["GET"], pages.gauges)]

TALKS = [
    (f"/{handler.__name__}/{{key}}", ["WS"], handler)
    for handler in (
        *(rooms.echo, rooms.obey, rooms.ends, rooms.coroutine, rooms.sends, rooms.sleeps, rooms.waits, rooms.busy, rooms.tutorial),
        *(rooms.timers, rooms.feeds, rooms.asks, doors.door, doors.negotiated),
        *(pressure.floods_client, pressure.holds, pressure.send_only, pressure.stuck, pressure.small, pressure.idle),
    )
]

ROUTES = [
    *WINDOW,
    *TALKS,
    ("/raises/{key}/{stage}", ["WS"], doors.raises),
    ("/params/{number:int}/{rest:path}", ["WS"], rooms.params, {"name": "params"}),
    ("/plain", ["GET"], pages.plain),
    ("/config", ["GET"], pages.config),
    ("/cookies", ["GET"], pages.cookies),
    ("/show/{key}", ["POST", "PUT"], pages.show),
    ("/bad/{what}", ["GET"], pages.bad),
    ("/fails", ["GET"], pages.fails),
    ("/file", ["GET"], pages.whole_file),
    ("/doubled", ["POST"], pages.doubled),
    ("/blocks", ["GET"], pages.blocks),
    ("/releases", ["POST"], pages.releases),
    ("/counts/{key}", ["GET"], pages.counts),
    ("/drips/{key}", ["GET"], pages.drips),
    ("/silence/{key}", ["GET"], pages.silence),
    ("/breaks/{key}", ["GET"], pages.breaks),
    ("/swallows/{key}", ["POST"], pages.swallows),
]

TIGHT_ROUTES = [
    (
        "/tight",
        [
            ("/bad_hooks/{key}", ["WS"], doors.bad_hooks),
            ("/show/{key}", ["POST"], pages.show),
            ("/hangs/{key}", ["GET"], pages.hangs),
            ("/firehose/{key}", ["GET"], pages.firehose),
            ("/swallows/{key}", ["POST"], pages.swallows),
        ],
    )
]

TIGHT = {"body_bytes": 1000, "body_s": 0.5, "stream_bytes": 1000, "response_s": 0.5, "send_s": 0.5, "hook_s": 0.3}


def layer(next_middleware: Any) -> Any:
    """A user's own middleware: what it adds must land on every answer, a handshake's too."""

    async def x(handler: Any, request: Any) -> Any:
        response = await next_middleware(handler, request)
        cookies = {**response.get("cookies", {}), "layer": {"value": "seen"}}
        return {**response, "headers": {**response.get("headers", {}), "x-layer": request["method"]}, "cookies": cookies}

    return x


async def double(effect: Any, scope: Any) -> Any:
    return 2 * effect["number"]


@asynccontextmanager
async def thing(config: Any) -> AsyncIterator[str]:
    journal.note("lifespan", "thing enters")
    yield "a thing"
    journal.note("lifespan", "thing leaves")


async def begin(context: Any) -> dict[str, str]:
    journal.note("lifespan", "on_start")
    return {"started": "by on_start"}


async def end(context: Any) -> None:
    journal.note("lifespan", "on_stop")


def streams_body(scope: Any) -> bool:
    return "/swallows/" in scope["path"]


main = build_server(
    apply_middleware(wrap_cookies(), layer, wrap_routes(ROUTES))(standard_not_found),
    on_start=begin,
    on_stop=end,
    resources={"thing": thing},
    effects={"live.double": double},
    stream_body=streams_body,
)
tight = build_server(apply_middleware(wrap_routes(TIGHT_ROUTES))(standard_not_found), limits=TIGHT, stream_body=streams_body)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Two apps in one process; ``tight`` never sees a lifespan and starts with its first request."""
    await (tight if scope.get("path", "").startswith("/tight/") else main)(scope, _counted(scope, receive), send)


def _counted(scope: Any, receive: Any) -> Any:
    """How far the engine read ahead is told by how often it asked the server."""
    if "/holds/" not in scope.get("path", ""):
        return receive
    key = scope["path"].rpartition("/")[2]

    async def counted() -> Any:
        event = await receive()
        journal.note(key, event["type"])
        return event

    return counted
