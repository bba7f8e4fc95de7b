"""An app's lifespan in a task of its own (ASGI lifespan, spec 2.0), as a server runs it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from ..types import ASGIApp
from .failures import Unexpected
from .fakes import FakeServer

__all__ = ["lifespan"]


@asynccontextmanager
async def lifespan(app: ASGIApp, *, deadline_s: float = 5) -> AsyncGenerator[dict[str, Any], None]:
    """Start ``app`` up, give its ``state``, and shut it down on leaving; each within ``deadline_s``.

    A failed start or stop raises ``Unexpected`` with the app's message. An app that raises or returns at once instead of speaking lifespan is taken as
    one that does not speak it, as the specification has it.

        >>> import asyncio
        >>> async def app(scope, receive, send):
        ...     await receive()
        ...     await send({"type": "lifespan.startup.failed", "message": "no database"})
        >>> async def main():
        ...     async with lifespan(app): ...
        >>> asyncio.run(main())
        Traceback (most recent call last):
        ...
        shallot.testing.failures.Unexpected: the app's startup failed: no database
    """
    state: dict[str, Any] = {}
    server = FakeServer({"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}, [{"type": "lifespan.startup"}])
    task = server.start(app)
    try:
        await server.until(lambda: bool(server.sent) or task.done(), "the app's startup", deadline_s=deadline_s)
        _check(server, "startup")
        try:
            yield state
        finally:
            if not task.done():
                server.push({"type": "lifespan.shutdown"})
                await server.until(lambda: len(server.sent) > 1 or task.done(), "the app's shutdown", deadline_s=deadline_s)
                _check(server, "shutdown")
        if server.sent:
            await server.end(deadline_s=deadline_s)
    finally:
        await server.stop(deadline_s=deadline_s)


def _check(server: FakeServer, phase: str) -> None:
    if server.sent and server.sent[-1]["type"] == f"lifespan.{phase}.failed":
        raise Unexpected(f"the app's {phase} failed: {server.sent[-1].get('message', '')}")
