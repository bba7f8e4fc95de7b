"""A response that is read while it is sent, and may be left early."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from ..types import ASGIApp
from .answers import format_event_headers, read_chunk
from .failures import Unexpected
from .fakes import FakeServer

__all__ = ["Stream", "exchange"]


class Stream:
    """A response that is read while it is sent: ``status``, ``headers``, ``headers_list``, and its chunks by iteration.

    ``cut`` becomes true when the app ended before its body did. The app is at most ``ahead`` events ahead of the reader.
    """

    ahead = 8

    def __init__(self, server: FakeServer, *, deadline_s: float, raise_errors: bool) -> None:
        self.status: int = server.sent[0]["status"]
        self.headers, self.headers_list = format_event_headers(server.sent[0].get("headers", ()))
        self.cut = False
        self._server = server
        self._deadline_s = deadline_s
        self._raise_errors = raise_errors
        self._read = 1

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        server = self._server
        while True:
            server.release(self._read + self.ahead)
            await server.until(lambda: len(server.sent) > self._read or server.state == "ended" or server.is_over, "a chunk", deadline_s=self._deadline_s)
            if len(server.sent) == self._read:
                self.cut = server.state != "ended"
                if self.cut and server.error is not None and self._raise_errors:
                    raise server.error
                raise StopAsyncIteration
            chunk = await read_chunk(server.sent[self._read])
            self._read += 1
            if chunk:
                return chunk


@asynccontextmanager
async def exchange(server: FakeServer, app: ASGIApp, *, deadline_s: float, raise_errors: bool) -> AsyncGenerator[Stream, None]:
    """Run ``app`` until its response begins, and give it; at the block's end disconnect, and wait until the app has ended."""
    server.release(1 + Stream.ahead)
    server.start(app)
    try:
        await server.until(lambda: bool(server.sent) or server.is_over, "the response to begin", deadline_s=deadline_s)
        if not server.sent:
            await server.end(deadline_s=deadline_s)
            raise Unexpected(server.tell("the app ended without a response"))
        answer = Stream(server, deadline_s=deadline_s, raise_errors=raise_errors)
        yield answer
        server.leave()
        await server.end(deadline_s=deadline_s, raise_errors=raise_errors and not answer.cut)
    finally:
        server.leave()
        await server.stop(deadline_s=deadline_s)
