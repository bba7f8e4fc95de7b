"""The request's body, counted and timed while it is read: whole before the handler runs, or chunk by chunk by the handler itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from .deadline import DeadlinePassed, telling, within
from .errors import BadRequest, BodyTooLarge, ClientDisconnect, PeerError, RequestTimeout
from .stages import Course
from .types import AllLimits, Event, Receive, Scope

__all__ = ["TOO_SLOW", "BodyStream", "StreamBody", "first_chunk_s", "read_body", "take_body"]

T = TypeVar("T")

StreamBody = Callable[[Scope], bool | int]
"""``stream_body(scope)``: whether the handler of this request reads the body itself, and at most how many bytes."""

GRACE_S = 5.0
"""For so long ``body_min_rate`` asks nothing: connections begin slowly."""
TOO_SLOW = "the body came too slowly"
"""What a 408 is logged with."""
ABANDONED = (
    "nobody read this request's stream for body_s while its response streamed: it was given up, so that the client's leaving is noticed. "
    "Read it to its end first, or raise the limit body_s"
)
_LENGTH = re.compile(r"[0-9]{1,19}")


async def take_body(
    request: dict[str, Any], scope: Scope, receive: Receive, limits: AllLimits, stream_body: StreamBody | None, course: Course, *, may_have_body: bool
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
        request["body"] = await read_body(receive, limits, declared, course)
    return None


def declared_length(headers: Mapping[str, str]) -> int | None:
    """``content-length`` as a number, ``None`` where there is none; ``BadRequest`` unless it is at most 19 ASCII digits."""
    length = headers.get("content-length")
    if length is None:
        return None
    if not _LENGTH.fullmatch(length):
        raise BadRequest("content-length is not a number (RFC 9110 8.6)")
    return int(length)


def first_chunk_s(limits: AllLimits) -> float:
    """How long a body may take to begin."""
    seconds: float = min(limits["body_s"], GRACE_S)
    return seconds


async def read_body(receive: Receive, limits: AllLimits, declared: int | None, course: Course) -> bytes:
    """All of the body. ``declared`` is its ``content-length``, ``None`` without one. The first chunk has the deadline of the stage that ``course`` is in.

    ``BodyTooLarge`` (413) before the first read where it is declared too large, else as soon as it is; ``RequestTimeout`` (408) once
    ``body_s`` passed or, after five seconds, less than ``body_min_rate`` came in a second on the whole; ``ClientDisconnect`` where the client left
    before the end, ``BadRequest`` where the server ends it before the declared length: half a body reaches no handler.
    """
    bound = limits["body_bytes"]
    if declared is not None and declared > bound:
        raise BodyTooLarge(f"a body of {declared} bytes was declared; the bound is {bound}")
    now = asyncio.get_running_loop().time
    began = now()
    event = _checked(await receive())  # most bodies come whole
    chunk: bytes = event.get("body", b"")
    chunks, size, more = [chunk], len(chunk), event.get("more_body", False)
    course.stage = None  # from here on each chunk has a deadline of its own
    while more and size <= bound:
        until = min(began + limits["body_s"], began + GRACE_S + size / limits["body_min_rate"])
        event = await _next_event(receive, until - now())
        chunk, more = event.get("body", b""), event.get("more_body", False)
        size += len(chunk)
        if chunk:
            chunks.append(chunk)
    if size > bound:
        raise BodyTooLarge(f"a body of more than {bound} bytes")
    if declared is not None and size < declared:
        raise BadRequest(f"the body ended after {size} of {declared} bytes")
    return chunk if size == len(chunk) else b"".join(chunks)


async def _next_event(receive: Receive, seconds: float) -> Event:
    if seconds <= 0:
        raise RequestTimeout(TOO_SLOW)
    try:
        return _checked(await within(seconds, _receive(receive)))
    except DeadlinePassed as error:
        raise RequestTimeout(TOO_SLOW) from error


def _checked(event: Event) -> Event:
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
    One that was given up beside a streamed response raises ``RuntimeError``.
    """

    __slots__ = ("_abandoned", "_bound", "_chunk_s", "_deadline", "_declared", "_idle_since", "_receive", "_size", "ended", "whole")

    def __init__(self, receive: Receive, bound: int, chunk_s: float, declared: int | None) -> None:
        if declared is not None and declared > bound:
            raise BodyTooLarge(f"a body of {declared} bytes was declared; the bound is {bound}")
        self._receive = receive
        self._bound = bound
        self._chunk_s = chunk_s
        self._declared = declared
        self._size = 0
        self._deadline: tuple[asyncio.Timeout, float] | None = None
        self._idle_since: float | None = asyncio.get_running_loop().time()
        self._abandoned = False
        self.ended = asyncio.Event()
        self.whole = False
        """Whether all of the body was read."""

    async def within(self, seconds: float, work: Coroutine[Any, Any, T], late: Callable[[], object]) -> T:
        """The result of ``work``, or ``DeadlinePassed`` after ``seconds`` in which it neither ended nor took a chunk: an upload may last.

        ``late`` is called where time is up, before ``work`` is cancelled.
        """
        timer = asyncio.timeout(seconds)
        self._deadline = timer, seconds
        try:
            async with timer:
                return await telling(work, timer, late)
        except TimeoutError as error:
            if timer.expired():
                raise DeadlinePassed(f"took longer than {seconds} s") from error
            raise
        finally:
            self._deadline = None
            del timer  # as in ``deadline``

    async def __anext__(self) -> bytes:
        if self._abandoned:
            raise RuntimeError(ABANDONED)
        if self.ended.is_set():
            raise StopAsyncIteration
        self._idle_since = None
        try:
            chunk = await self._next_chunk()
        except PeerError:
            self.ended.set()
            raise
        finally:
            self._idle_since = asyncio.get_running_loop().time()
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
            chunk = self._take(await _next_event(self._receive, until - now()))
            if chunk or self.whole:
                return chunk

    def _take(self, event: Event) -> bytes:
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

    async def unread(self) -> None:
        """Returns when nobody reads: at its end; or once nobody took a chunk for ``chunk_s`` from now on. Then it is given up, and the client's rest discarded.

        ``ClientDisconnect`` where the client leaves meanwhile, ``BodyTooLarge`` where its rest is past the bound.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not self.ended.is_set():
            since = loop.time() if self._idle_since is None else max(began, self._idle_since)
            if loop.time() - since >= self._chunk_s:
                self._abandoned = True
                self.ended.set()
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(since + self._chunk_s):
                        await self.ended.wait()
        while self._abandoned and not self.whole:
            self._take(_checked(await self._receive()))

    async def aclose(self) -> None:
        self.ended.set()
