"""What goes out of a shallot app: files, compressed pages, events. ``OUTPUT_FOLDER`` is the folder of the files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from shallot import build_server, standard_not_found
from shallot.middlewares import apply_middleware, wrap_compress, wrap_routes, wrap_static
from shallot.response import event_stream, html, json

ENCODINGS = ("gzip", "br", "zstd")
PAGE = f"<p>{'apples and pears ' * 500}</p>"


async def front(request: Any) -> Any:
    return html("<p>front")


async def page(request: Any) -> Any:
    return html(PAGE)


async def chunks() -> AsyncIterator[bytes]:
    for number in range(3):
        yield b"chunk %d\n" % number
        await asyncio.sleep(0.2)


async def live(request: Any) -> Any:
    return {"status": 200, "headers": {"content-type": "text/plain"}, "stream": chunks()}


async def events(request: Any) -> Any:
    ended = request["config"]["ended"]

    async def ticks() -> AsyncIterator[Any]:
        try:
            yield {"id": "1", "event": "tick", "data": {"n": 1}}
            await asyncio.sleep(0.5)
            yield "two\nlines"
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    return event_stream(ticks(), keepalive_s=0.2)


def state(request: Any) -> Any:
    files = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    return json({"ended": len(request["config"]["ended"]), "open": len([name for name in files if name.startswith(os.environ["OUTPUT_FOLDER"])])})


async def on_start(context: Any) -> Any:
    return {"ended": []}


routes: list[Any] = [("/", ["GET"], front), ("/events", ["GET"], events), ("/state", ["GET"], state)]
for encoding in ENCODINGS:
    only = {"middlewares": [wrap_compress([encoding])]}
    routes += [(f"/page/{encoding}", ["GET"], page, only), (f"/live/{encoding}", ["GET"], live, only)]

app = build_server(
    apply_middleware(wrap_static(os.environ["OUTPUT_FOLDER"], prefix="/files"), wrap_routes(routes))(standard_not_found),
    on_start=on_start,
)
