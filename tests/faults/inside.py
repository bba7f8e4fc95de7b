"""The cells that no real server can be made to show: a ``send`` that says nothing, or raises, while nobody is told that the client left; and odd events.

On virtual time, against a fake server of either temper.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from shallot.testing import FakeServer, Unexpected, websocket_scope
from shallot.testing.ends import CutLoop
from shallot.testing.leaks import generators_started, name_of, sweep
from shallot.types import Event
from tests.live.journal import journal

from .cells import Cell, Result
from .room import SERVERS, STAGES, build

__all__ = ["CELLS", "ODD", "TEMPERS", "play_inside"]

Temper = Literal["raise", "swallow"]
TEMPERS: Mapping[str, Temper] = {"uvicorn": "raise", "hypercorn": "swallow", "granian": "swallow"}
"""What ``send`` does once the client has left, by the family of the server."""
CELLS = [Cell(fault, stage) for fault in SERVERS for stage in STAGES]
CONNECT: Event = {"type": "websocket.connect"}

ODD: Mapping[str, list[Event]] = {
    "an unknown type": [{"type": "websocket.huh"}],
    "neither text nor bytes": [{"type": "websocket.receive"}],
    "both are None": [{"type": "websocket.receive", "text": None, "bytes": None}],
    "an event of HTTP": [{"type": "http.request", "body": b"", "more_body": False}],
    "a second connect": [CONNECT],
    "a disconnect without a code": [{"type": "websocket.disconnect"}],
    "two disconnects": [{"type": "websocket.disconnect", "code": 1006}, {"type": "websocket.disconnect", "code": 1000, "reason": None}],
}
FIRST: Event = {"type": "websocket.receive", "text": "first"}
BYE: Event = {"type": "websocket.receive", "text": "bye"}
ENDS_S = 60.0
_keys = count(1)


class Deaf(FakeServer):
    """From the moment on that ``is_deaf``, events go nowhere, and ``receive`` tells nothing. ``loses``: the type of those that never arrive."""

    is_deaf = False
    fault = loses = ""

    async def send(self, event: Event) -> None:
        if not self.is_deaf and event["type"] != self.loses:
            await super().send(event)
        elif self.fault == "OSError from send":
            raise OSError("the transport is closed")


class Stage(NamedTuple):
    cell: Cell
    temper: Temper
    odd: list[Event]


def play_inside(cell: Cell, temper: Temper) -> Result:
    """All variants of the cell; what was wrong with any."""
    wrong: list[str] = []
    for name, odd in ODD.items() if cell.fault == "odd event" else {"": []}.items():
        wrong += [f"{name}: {what}" if name else what for what in _run(Stage(cell, temper, odd))]
    return Result("", wrong)


def _run(stage: Stage) -> list[str]:
    loop, wrong = CutLoop(), list[str]()
    try:
        loop.run_until_complete(_converse(stage, wrong))
    except (Unexpected, TimeoutError) as error:
        wrong.append(str(error) or repr(error))
    finally:
        sweep(loop)
        loop.close()
    return wrong


async def _converse(stage: Stage, wrong: list[str]) -> None:
    cell, key = stage.cell, f"inside{next(_keys)}"
    room = "last" if cell.stage == "at shutdown" else "room"
    scope = websocket_scope(f"/{room}/{key}?stage={quote(cell.stage)}&fault={quote(cell.fault)}", extensions={"websocket.http.response": {}})
    with generators_started() as started:
        app = build()
        life = FakeServer({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, [{"type": "lifespan.startup"}])
        life.start(app)
        await life.until(lambda: bool(life.sent), "the start")
        server = Deaf(scope, after_leave=stage.temper)
        server.fault = cell.fault
        await _play(server, app, stage, key, lambda: life.push({"type": "lifespan.shutdown"}))
        life.push({"type": "lifespan.shutdown"})
        await life.end(deadline_s=ENDS_S)
        await asyncio.sleep(1)
        left = [name_of(task.get_coro()) for task in asyncio.all_tasks() - {asyncio.current_task()}]
        wrong += [f"left: {name}" for name in [*left, *started.suspended(), *started.collected]]
    wrong += [f"sent {error}" for error in server.wrong]
    lines = journal.lines(key)
    begun, finished, hooks = (sum(line.startswith(what) for line in lines) for what in ("begin", "finally", "on_close"))
    if finished != begun or hooks > 1 or (begun and not hooks) or "finally in another task" in lines:
        wrong.append(f"the journal holds {lines}")


async def _play(server: Deaf, app: Any, stage: Stage, key: str, shut_down: Callable[[], None]) -> None:
    cell = stage.cell
    if cell.stage == "at close" and cell.fault != "odd event":
        server.loses = "websocket.close"

    def strike() -> None:
        server.push(*stage.odd)
        server.is_deaf = cell.fault != "odd event"

    async def strike_there() -> None:
        """As soon as the room is at the stage."""
        lines = await journal.wait(key, f"at {cell.stage}", 5)
        if f"at {cell.stage}" not in lines:
            raise Unexpected(f"the room never came to the stage: {lines}")
        strike()

    if cell.stage == "connect":
        strike()
    server.push(CONNECT)
    server.start(app)
    if cell.stage == "accept":
        await strike_there()
    elif cell.stage != "connect":
        await server.until(lambda: len(server.sent) >= 2, "hello")
        if cell.stage == "first message":
            strike()
        server.push(FIRST)
        if cell.stage == "at shutdown":
            await server.settle()
            shut_down()
        if cell.stage != "first message":
            await strike_there()
    if cell.fault == "odd event":  # else the client is gone, and nobody says so
        server.push(FIRST, BYE)
    await server.end(deadline_s=ENDS_S, raise_errors=False)
