"""play: a scenario against a real app, in process and on virtual time, so that an hour takes a millisecond."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from ..codec.json import format_json
from ..ring import build_server
from ..types import ASGIApp
from ..websocket.wire import close_event
from .answers import Denied
from .clients import Opening, client
from .clock import virtual_time
from .failures import Unexpected
from .scenarios import Scenario, Step, format_step, is_close, read_scenario
from .sockets import Socket

__all__ = ["as_app", "play"]

LONGEST_WAIT_S = 24 * 3600.0
"""How long, on the virtual clock, a row without a time may wait for its message."""


def play(
    app: Any,
    scenario: Scenario,
    *,
    path: str = "/",
    params: Sequence[Any] = (),
    keys: Mapping[str, Any] | None = None,
    tolerance_s: float = 0.5,
    **opening: Unpack[Opening],
) -> None:
    """Play ``scenario`` against ``app``; ``Unexpected`` tells the first row that differs, and where in the scenario it stands.

    | option | meaning | default |
    |---|---|---|
    | ``app`` | an ASGI app, or what ``@websocket`` stands above: then it is served alone, with ``params`` and with ``keys`` added to its request | |
    | ``scenario`` | rows ``("->", what)`` (the client says), ``("<-", what)`` (the app says), or ``(seconds, way, what)``; or their text | |
    | ``path``, ``headers``, ``cookies``, ``query``, ``subprotocols`` | of the handshake | ``"/"`` |
    | ``tolerance_s`` | how far from its time a ``<-`` row may come, in seconds | 0.5 |

    What is said is ``str``, ``bytes``, a dict or list (as JSON), or ``ws_close(code, reason)``: the end. ``("<-", 401)`` alone is a refused handshake.
    Times count from the opening. A row without one: ``->`` at once, ``<-`` whenever it comes. Behind the last row the app must have nothing more to say
    at once; then the client leaves (1001). The clock is virtual, and start-up and shutdown run as on a server. Call it from a plain ``def``.

        >>> from shallot import after, websocket, ws_close, ws_send
        >>> @websocket
        ... async def patient(scope, receiver):
        ...     yield after(600, "late")
        ...     async for message in receiver:
        ...         match message:
        ...             case {"type": "timer.fired"}:
        ...                 yield ws_close(1001)
        ...             case str(text):
        ...                 yield ws_send(text.upper())
        >>> play(patient, [("->", "hi"), ("<-", "HI"), (600, "<-", ws_close(1001))])
    """
    steps = read_scenario(scenario)
    played = as_app(app, params, keys)

    async def on_virtual_time() -> None:
        async with client(played, deadline_s=LONGEST_WAIT_S) as c:
            done = 0
            try:
                if steps and isinstance(steps[0].what, int):
                    await _denied(c, path, steps[0].what, opening)
                    return
                async with c.websocket(path, **opening) as socket:
                    started = asyncio.get_running_loop().time()
                    for step in steps:
                        await _play(step, socket, started, tolerance_s)
                        done += 1
                    if not (steps and is_close(steps[-1].what)):
                        await socket.expect_nothing()
            except (Unexpected, Denied) as error:
                error.add_note(_point_at(steps, done))
                raise

    virtual_time(on_virtual_time)()


def as_app(handler: Any, params: Sequence[Any] = (), keys: Mapping[str, Any] | None = None) -> ASGIApp:
    """``handler`` itself where it is an app; else an app that serves this one conversation, with ``params`` and ``keys``."""
    if not getattr(handler, "is_websocket", False):
        if params or keys:
            raise TypeError("params and keys are for what @websocket stands above; an app finds them by its own routes and middlewares")
        app: ASGIApp = handler
        return app

    async def alone(request: Any) -> Any:
        request.update(keys or {})
        return await handler(request, *params)

    return build_server(alone)


async def _play(step: Step, socket: Socket, started: float, tolerance_s: float) -> None:
    loop = asyncio.get_running_loop()
    if step.way == "->":
        if step.at is not None:
            await asyncio.sleep(started + step.at - loop.time())
        await _say(step.what, socket)
        return
    said = await _hear(step.what, socket)
    at = loop.time() - started
    if said != step.what and not is_close(step.what):
        raise Unexpected(f"expected {step.what!r}, got {said!r}")
    if step.at is not None and abs(at - step.at) > tolerance_s:
        raise Unexpected(f"expected {step.what!r} at {step.at:g} s, and it came at {at:g} s")


async def _say(what: Any, socket: Socket) -> None:
    if is_close(what):
        await socket.close(*close_event(what))
    else:
        await socket.send(what if isinstance(what, str | bytes) else format_json(what).decode())


async def _hear(what: Any, socket: Socket) -> Any:
    if not is_close(what):
        return await (socket.expect() if isinstance(what, str | bytes) else socket.expect_json())
    closed = await socket.expect_close()
    if (closed["code"], closed["reason"]) != close_event(what):
        raise Unexpected(f"expected close {what['code']} {what.get('reason', '')!r}, got close {closed['code']} {closed['reason']!r}")
    return what


async def _denied(c: Any, path: str, status: int, opening: Opening) -> None:
    try:
        async with c.websocket(path, **opening):
            raise Unexpected(f"expected a denial with {status}, and the handshake was accepted")
    except Denied as denied:
        if denied.response["status"] != status:
            raise Unexpected(f"expected a denial with {status}, got {denied.response['status']}") from denied


def _point_at(steps: Sequence[Step], done: int) -> str:
    return "\n".join(["the scenario:", *(f"{'>' if number == done else ' '} {format_step(step)}" for number, step in enumerate(steps))])
