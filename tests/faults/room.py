"""The room of the fault matrix: a conversation that passes through eight stages, and at one of them does, or lets happen, what its query names.

``/room/{key}?stage=accept&fault=raise``. What happened is in the journal of the live tests, under ``key``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

from shallot import build_server, publish, standard_not_found, websocket, ws_accept, ws_close, ws_send
from shallot.channels.contract import LinkLost
from shallot.channels.memory import MemoryBackend
from shallot.channels.resource import Channels
from shallot.middlewares import apply_middleware, wrap_routes
from tests.live import pages
from tests.live.journal import journal

__all__ = ["FAULTS", "OURS", "PEERS", "SERVERS", "STAGES", "app", "build"]

STAGES = ("connect", "accept", "first message", "in a yield", "in a wait", "in a hook", "at close", "at shutdown")
OURS = ("raise", "cancel", "hang", "broker down", "double answer")
"""Faults that the app commits,"""
PEERS = ("reset", "half-close", "slow read", "slow write")
"""the client,"""
SERVERS = ("silent send", "OSError from send", "odd event")
"""and the server."""
FAULTS = (*OURS, *PEERS, *SERVERS)

PAUSE_S = 0.2
"""How long the room stays in a stage in which somebody else commits the fault."""
LIMITS: Any = {"accept_s": 1, "send_s": 1, "idle_s": 1.5, "linger_s": 0.5}
PIECE = "x" * 500_000
PIECES = 60
"""More than all buffers on the way to a client that does not read."""

ACCEPT_AGAIN = {"type": "websocket.accept"}


class Planned(Exception):
    """The fault ``raise``."""


class DyingBackend(MemoryBackend):
    """A broker that goes away for good once the app has started."""

    is_dead = False

    @asynccontextmanager
    async def connect(self, sink: Any) -> AsyncIterator[Any]:  # type: ignore[override]  # a generator of links, which wraps the parent's
        if self.is_dead:
            raise ConnectionRefusedError("the broker is down")
        async with super().connect(sink) as link:
            yield DyingLink(self, link)


class DyingLink:
    def __init__(self, backend: DyingBackend, link: Any) -> None:
        self._backend, self._link = backend, link

    def __getattr__(self, name: str) -> Any:
        if self._backend.is_dead:
            raise LinkLost("the broker is down")
        return getattr(self._link, name)


# ---- what is planned


def note(scope: Any, line: str) -> None:
    journal.note(scope["path_params"]["key"] if "path_params" in scope else scope["path"].split("/")[2], line)


def plan(scope: Any) -> tuple[str, str]:
    asked = parse_qs(scope["query_string"].decode())
    return asked["stage"][0], asked["fault"][0]


def doubles(scope: Any, stage: str) -> bool:
    return plan(scope) == (stage, "double answer")


async def at(scope: Any, stage: str) -> None:
    """Commit the fault, if this is its stage; or stay a while, if it is somebody else's."""
    where, fault = plan(scope)
    if where == stage:
        note(scope, f"at {stage}")
        await _DO.get(fault, _stay)(scope)


async def _raise(scope: Any) -> None:
    raise Planned


async def _cancel(scope: Any) -> None:
    task = asyncio.current_task()
    if task is not None:
        task.cancel()
    await asyncio.sleep(0)


async def _hang(scope: Any) -> None:
    await asyncio.Event().wait()


async def _ask_the_broker(scope: Any) -> None:
    await scope["config"]["channels"].publish("anything", 1)


async def _stay(scope: Any) -> None:
    if plan(scope) in (("in a wait", "reset"), ("in a wait", "half-close")):
        await _hang(scope)
    await asyncio.sleep(PAUSE_S)


async def _go_on(scope: Any) -> None:
    pass


_DO: dict[str, Callable[[Any], Any]] = {
    "raise": _raise,
    "cancel": _cancel,
    "hang": _hang,
    "broker down": _ask_the_broker,
    "double answer": _go_on,
}


# ---- the room


def front(next_middleware: Any) -> Any:
    async def x(handler: Any, request: Any) -> Any:
        if request["type"] == "websocket":
            await at(request, "connect")
            if doubles(request, "connect"):
                await next_middleware(handler, request)
        return await next_middleware(handler, request)

    return x


async def greets(scope: Any) -> Any:
    note(scope, "on_connect")
    await at(scope, "accept")
    return [ws_accept(), ws_accept()] if doubles(scope, "accept") else ws_accept()


async def left(scope: Any) -> None:
    note(scope, "on_disconnect")


async def closed(scope: Any) -> Any:
    note(scope, f"on_close {scope['close']['code']}")
    if plan(scope) == ("in a hook", "broker down"):
        return publish("anything", 1)
    await at(scope, "in a hook")
    return [ws_close(), ws_send("again")] if doubles(scope, "in a hook") else None


async def commits(effect: Any, scope: Any) -> None:
    await at(scope, "in a yield")


@websocket(on_connect=greets, on_disconnect=left, on_close=closed, **LIMITS)
async def room(scope: Any, receiver: Any, key: str) -> AsyncIterator[Any]:
    stage, fault = plan(scope)
    task = asyncio.current_task()
    note(scope, "begin")
    try:
        yield ws_send("hello")
        await anext(receiver)
        await at(scope, "first message")
        if doubles(scope, "first message") or doubles(scope, "in a yield") or doubles(scope, "in a wait"):
            await at(scope, stage)
            yield ACCEPT_AGAIN
        if stage == "in a yield":
            yield publish("anything", 1) if fault == "broker down" else {"type": "fault.commit"}
            for _ in range(PIECES if fault in PEERS else 0):
                yield ws_send(PIECE)
        await at(scope, "in a wait")
        if fault in SERVERS:
            for number in range(20):
                yield ws_send(str(number))
        if stage in ("in a hook", "at close"):
            yield ws_close(4000, "enough")
        async for message in receiver:
            yield ws_send(message)
            if message == "bye":
                return
    finally:
        note(scope, "finally" if asyncio.current_task() is task else "finally in another task")
        if stage in ("at close", "at shutdown"):
            await at(scope, stage)
            if doubles(scope, stage):
                yield ws_close(4001)


def build() -> Any:
    backend = DyingBackend()

    async def begin(context: Any) -> None:
        backend.is_dead = True

    routes = [
        ("/room/{key}", ["WS"], room),
        ("/last/{key}", ["WS"], room, {"limits": {"idle_s": 60}}),  # for those who wait for the shutdown
        ("/seen/{key}", ["GET"], pages.seen),
        ("/gauges", ["GET"], pages.gauges),
        ("/plain", ["GET"], pages.plain),
    ]
    return build_server(
        apply_middleware(front, wrap_routes(routes))(standard_not_found),
        on_start=begin,
        resources={"channels": Channels(backend, publish_s=0.3)},
        effects={"fault.commit": commits},
        limits={"accept_s": 1, "hook_s": 0.5, "shutdown_s": 2},
    )


app = build() if os.environ.get("FAULT_MATRIX") else None
