"""What the soak and the load talk to: a bit of everything, all of it numbered, so that what is lost or out of order shows."""

from __future__ import annotations

import asyncio
import gc
import json as stdlib_json
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from shallot import build_server, every, publish, standard_not_found, subscribe, websocket, ws_send
from shallot.channels import memory_channels
from shallot.channels.reader import Reader
from shallot.middlewares import apply_middleware, wrap_cookies, wrap_json, wrap_parameters, wrap_request_id, wrap_routes
from shallot.response import json, text
from shallot.websocket.engine import Talk

from . import pages

logging.basicConfig(level=logging.INFO)

THREADS = 2
NUMBERS = b"".join(b"%05d\n" % number for number in range(100))

published: Counter[str] = Counter()
"""By room: the number of its latest message."""
left: list[asyncio.Task[Any]] = []


@websocket
async def talk(scope: Any, receiver: Any, room: str) -> AsyncIterator[Any]:
    """``e``: what you said. ``s``: a message may have had this number when you came. ``r``: the room's next. ``g``: something is missing."""
    yield subscribe(f"room:{room}")
    yield ws_send(f"s {published[room]}")
    yield every(1, "tick")
    async for message in receiver:
        match message:
            case str():
                yield ws_send(f"e {message}")
            case {"type": "channel.message", "data": number}:
                yield ws_send(f"r {number}")
            case {"type": "channel.gap"}:
                yield ws_send(f"g {message}")


@websocket
async def faulty(scope: Any, receiver: Any, room: str) -> AsyncIterator[Any]:
    """What a soak must find: messages that are lost, a room that is not heard, tasks that are left, a warning."""
    left.append(asyncio.create_task(asyncio.Event().wait()))
    logging.getLogger(__name__).warning("a task is left")
    yield ws_send(f"s {published[room]}")
    async for message in receiver:
        if not message.startswith("1 "):
            yield ws_send(f"e {message}")


@websocket
async def echo(scope: Any, receiver: Any) -> AsyncIterator[Any]:
    async for message in receiver:
        yield ws_send(message)


@websocket
async def deaf(scope: Any, receiver: Any) -> AsyncIterator[Any]:
    """What the load must find."""
    async for message in receiver:
        if message != "one":
            yield ws_send(message)


async def tells(request: Any, room: str) -> Any:
    """Publishes by an effect of the response."""
    published[room] += 1
    return {**json({"number": published[room]}), "effects": [publish(f"room:{room}", published[room])]}


async def plain(request: Any) -> Any:
    return text("ok")


async def mirrors(request: Any) -> Any:
    return json({"json": request["json"], "params": request["params"]})


async def counts(request: Any) -> Any:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(NUMBERS), 60):
            yield NUMBERS[start : start + 60]
            await asyncio.sleep(0)

    return {"status": 200, "headers": {"content-type": "text/plain"}, "stream": chunks()}


def blocks(request: Any) -> Any:
    """In a thread."""
    time.sleep(0.001)
    return text("blocked")


async def whole_file(request: Any) -> Any:
    return {"status": 200, "headers": {"content-type": "text/plain"}, "file": __file__}


async def gauges(request: Any) -> Any:
    """Those of the test app, and how many conversations and subscriptions exist, closed or not, whoever holds them."""
    known = stdlib_json.loads((await pages.gauges(request))["body"])
    kinds = Counter(type(thing) for thing in gc.get_objects())
    threads = sum(not isinstance(thread, threading._DummyThread) for thread in threading.enumerate())  # one of granian's own, which has once logged
    return json({**known, "threads": threads, "conversations": kinds[Talk], "subscriptions": kinds[Reader]})


async def resident(request: Any) -> Any:
    lines = Path("/proc/self/status").read_text().splitlines()  # noqa: ASYNC240  # the kernel answers at once
    return text(str(next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS"))))


ROUTES = [
    ("/tells/{room}", ["POST"], tells),
    ("/plain", ["GET"], plain),
    ("/mirrors", ["POST"], mirrors),
    ("/counts", ["GET"], counts),
    ("/blocks", ["GET"], blocks),
    ("/file", ["GET"], whole_file),
    ("/gauges", ["GET"], gauges),
    ("/resident", ["GET"], resident),
]


def build(conversation: Any, echoes: Any = echo) -> Any:
    talks = [("/talk/{room}", ["WS"], conversation), ("/echo", ["WS"], echoes)]
    return build_server(
        apply_middleware(wrap_request_id(), wrap_cookies(), wrap_parameters(), wrap_json(), wrap_routes([*talks, *ROUTES]))(standard_not_found),
        resources={"channels": memory_channels({"room:*": {"keep": 100}})},
        threads=THREADS,
    )


app = build(talk)
faulty_app = build(faulty, deaf)
