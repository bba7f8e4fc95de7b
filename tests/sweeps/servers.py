"""A server that waits in every call, before and after it did what was asked, and what the scenes ask of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from shallot.testing import FakeServer, http_scope, websocket_scope
from shallot.testing.lifespans import lifespan
from shallot.types import Event

from .points import Sweep

__all__ = ["GONE", "SlowServer", "acting", "converse", "exchange", "lifespan", "pause", "still_answers"]

GONE: Event = {"type": "http.disconnect"}
CONNECT: Event = {"type": "websocket.connect"}


class SlowServer(FakeServer):
    async def receive(self) -> Event:
        await asyncio.sleep(0)
        return await super().receive()

    async def send(self, event: Event) -> None:
        await asyncio.sleep(0)
        await super().send(event)
        await asyncio.sleep(0)


async def pause() -> None:
    """Two kinds of await: a turn of the loop, and a timer."""
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)


@contextmanager
def acting(*acts: tuple[float, Callable[[], Any]]) -> Iterator[None]:
    """What the world does meanwhile, and when."""
    loop = asyncio.get_running_loop()
    handles = [loop.call_later(seconds, act) for seconds, act in acts]
    try:
        yield
    finally:
        for handle in handles:
            handle.cancel()


def body_of(*chunks: bytes) -> list[Event]:
    return [{"type": "http.request", "body": chunk, "more_body": number < len(chunks) - 1} for number, chunk in enumerate(chunks)]


async def exchange(
    sweep: Sweep,
    app: Any,
    scope: dict[str, Any] | None = None,
    body: Iterable[bytes] = (b"",),
    acts: Mapping[float, Callable[[SlowServer], Any]] | None = None,
    state: Mapping[str, Any] | None = None,
    **faults: Any,
) -> SlowServer:
    """One HTTP request, swept; then the app must still answer."""
    server = SlowServer({**(scope or http_scope()), "state": dict(state or {})}, body_of(*body), **faults)
    with acting(*((seconds, lambda act=act: act(server)) for seconds, act in (acts or {}).items())):
        await sweep(app(server.scope, server.receive, server.send))
    assert not server.wrong, server.wrong
    await still_answers(app)
    return server


async def still_answers(app: Any) -> None:
    server = FakeServer(http_scope("GET", "/plain"), body_of(b""))
    await server.run(app)
    assert server.sent[0]["status"] == 200, server.sent


async def converse(
    sweep: Sweep, app: Any, heard: list[Any], said: Iterable[Event] = (), acts: Mapping[float, Callable[[SlowServer], Any]] | None = None, **faults: Any
) -> SlowServer:
    """One WebSocket, swept. ``heard``: what its hooks noted; an accepted conversation has exactly one ``on_close``, at its end."""
    scope = websocket_scope("/", extensions={"websocket.http.response": {}}, state={})
    server = SlowServer(scope, [CONNECT, *said], **faults)
    with acting(*((seconds, lambda act=act: act(server)) for seconds, act in (acts or {}).items())):
        await sweep(app(server.scope, server.receive, server.send))
    assert not server.wrong, server.wrong
    accepted = any(event["type"] == "websocket.accept" for event in server.sent)
    if heard.count("begin") > heard.count("finally"):
        raise AssertionError(f"a handler began and did not end: {heard}")
    if heard.count("on_close") > accepted or ("begin" in heard and heard.count("on_close") != 1):
        raise AssertionError(f"accepted: {accepted}, and the hooks ran {heard}")
    await still_answers(app)
    return server
