"""The request's body, counted and timed while it is read: whole before the handler runs, or chunk by chunk by the handler itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from .deadline import DeadlinePassed, within
from .errors import BadRequest, BodyTooLarge, ClientDisconnect, PeerError, RequestTimeout
from .types import AllLimits, Event, Receive, Scope

__all__ = ["BodyStream", "StreamBody", "read_body", "take_body"]

T = TypeVar("T")

StreamBody = Callable[[Scope], bool | int]
"""``stream_body(scope)``: whether the handler of this request reads the body itself, and at most how many bytes."""

GRACE_S = 5.0
"""For so long ``body_min_rate`` asks nothing: connections begin slowly."""
_LENGTH = re.compile(r"[0-9]{1,19}")


async def take_body(
    request: dict[str, Any], scope: Scope, receive: Receive, limits: AllLimits, stream_body: StreamBody | None, *, may_have_body: bool
) -> BodyStream | None:
    """Read the request's ``body``; or, where ``stream_body`` says so, put ``stream`` into the request, and give it back."""
    bound: Any = stream_body is not None and stream_body(scope)
    if not isinstance(bound, int) or bound < 0:
        raise TypeError(f"build_server: stream_body(scope) must return a bool, or a bound in bytes; got {bound!r}")
    declared = declared_length(request["headers"])
    if bound:
        stream = BodyStream(receive, limits["stream_bytes"] if bound is True else bound, limits["body_s"], declared)
        request["stream"] = stream
        if not may_have_body:
            stream.whole = True
            stream.ended.set()
        return stream
    if may_have_body:
        request["body"] = await read_body(receive, limits, declared)
    return None


def declared_length(headers: Mapping[str, str]) -> int | None:
    """``content-length`` as a number, ``None`` where there is none; ``BadRequest`` unless it is at most 19 ASCII digits."""
    length = headers.get("content-length")
    if length is None:
        return None
    if not _LENGTH.fullmatch(length):
        raise BadRequest("content-length is not a number (RFC 9110 8.6)")
    return int(length)


async def read_body(receive: Receive, limits: AllLimits, declared: int | None) -> bytes:
    """All of the body. ``declared`` is its ``content-length``, ``None`` without one.

    ``BodyTooLarge`` (413) before the first read where it is declared too large, else as soon as it is; ``RequestTimeout`` (408) once
    ``body_s`` passed or, after five seconds, less than ``body_min_rate`` came in a second on the whole; ``ClientDisconnect`` where the client left
    before the end, ``BadRequest`` where the server ends it before the declared length: half a body reaches no handler.
    """
    bound = limits["body_bytes"]
    if declared is not None and declared > bound:
        raise BodyTooLarge(f"a body of {declared} bytes was declared; the bound is {bound}")
    now = asyncio.get_running_loop().time
    began = now()
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        until = min(began + limits["body_s"], began + GRACE_S + size / limits["body_min_rate"])
        event = await _next_event(receive, until - now())
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > bound:
            raise BodyTooLarge(f"a body of more than {bound} bytes")
        if chunk:
            chunks.append(chunk)
        more = event.get("more_body", False)
    if declared is not None and size < declared:
        raise BadRequest(f"the body ended after {size} of {declared} bytes")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _next_event(receive: Receive, seconds: float) -> Event:
    if seconds <= 0:
        raise RequestTimeout("the body came too slowly")
    try:
        event = await within(seconds, _receive(receive))
    except DeadlinePassed as error:
        raise RequestTimeout("the body came too slowly") from error
    if event["type"] == "http.disconnect":
        raise ClientDisconnect("the client left before the end of the body")
    return event


async def _receive(receive: Receive) -> Event:
    """As a coroutine: granian's ``receive`` gives another kind of awaitable."""
    return await receive()


class BodyStream(AsyncIterator[bytes]):
    """``request["stream"]``: an async iterator of the body's chunks as the client sends them, none of them empty.

    The iteration raises ``BodyTooLarge`` past ``bound`` bytes, ``RequestTimeout`` where a chunk takes longer than ``chunk_s`` seconds,
    and ``ClientDisconnect`` where the client left before the end. After its end, an error or the response it has ended: a body is read once.
    """

    __slots__ = ("_bound", "_chunk_s", "_deadline", "_declared", "_receive", "_size", "ended", "whole")

    def __init__(self, receive: Receive, bound: int, chunk_s: float, declared: int | None) -> None:
        if declared is not None and declared > bound:
            raise BodyTooLarge(f"a body of {declared} bytes was declared; the bound is {bound}")
        self._receive = receive
        self._bound = bound
        self._chunk_s = chunk_s
        self._declared = declared
        self._size = 0
        self._deadline: tuple[asyncio.Timeout, float] | None = None
        self.ended = asyncio.Event()
        self.whole = False
        """Whether all of the body was read."""

    async def within(self, seconds: float, work: Awaitable[T]) -> T:
        """The result of ``work``, or ``DeadlinePassed`` after ``seconds`` in which it neither ended nor took a chunk: an upload may last."""
        timer = asyncio.timeout(seconds)
        self._deadline = timer, seconds
        try:
            async with timer:
                return await work
        except TimeoutError as error:
            if timer.expired():
                raise DeadlinePassed(f"took longer than {seconds} s") from error
            raise
        finally:
            self._deadline = None

    async def __anext__(self) -> bytes:
        if self.ended.is_set():
            raise StopAsyncIteration
        try:
            chunk = await self._next_chunk()
        except PeerError:
            self.ended.set()
            raise
        if self._deadline is not None and not self._deadline[0].expired():
            timer, seconds = self._deadline
            timer.reschedule(asyncio.get_running_loop().time() + seconds)
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def _next_chunk(self) -> bytes:
        """The next chunk with anything in it, or the empty last one."""
        now = asyncio.get_running_loop().time
        until = now() + self._chunk_s
        while True:
            event = await _next_event(self._receive, until - now())
            chunk: bytes = event.get("body", b"")
            self._size += len(chunk)
            if self._size > self._bound:
                raise BodyTooLarge(f"a body of more than {self._bound} bytes")
            if not event.get("more_body", False):
                if self._declared is not None and self._size < self._declared:
                    raise BadRequest(f"the body ended after {self._size} of {self._declared} bytes")
                self.whole = True
                self.ended.set()
                return chunk
            if chunk:
                return chunk

    async def aclose(self) -> None:
        self.ended.set()
