"""A response goes out by the events that suit its request: whole, by the server from a file, or chunk by chunk. Starts no task and answers no error."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple

from .deadline import within
from .errors import ClientDisconnect, ShallotError, Unavailable
from .files import FileReader, FileStream
from .types import AllLimits, AnyEffect, Event, RunInThread, Scope, Send
from .validate import RawHeaders, announced_length

__all__ = ["LEFT", "Content", "Watch", "Work", "close_stream", "hang_up", "open_content", "prepare", "send_answer"]

log = logging.getLogger("shallot")

TURN_EVERY = 64
"""After so many chunks the loop gets a turn: to a client that has left ``send`` never waits, and a stream without an await of its own would keep the loop."""
LEFT = "the client left before the end of the response"
"""What a cut is logged with that is the client's own."""
_READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # not blocking: to open a pipe must not wait for its writer

Work = Callable[[Callable[[], bool]], Coroutine[Any, Any, bytes]]
"""``work(is_gone)`` sends all of a stream but its last event, whose body it returns."""
Watch = Callable[[Work], Awaitable[bytes]]
"""Awaits ``work(is_gone)`` and cancels it where the client leaves meanwhile, which is then a ``ClientDisconnect``."""

Content = AsyncIterator[bytes] | Path | None
"""What a response streams from; the file that the server sends by itself; or nothing but its body."""


class Door(NamedTuple):
    """The two kinds of event by which a response goes out."""

    start: str
    body: str


HTTP = Door("http.response.start", "http.response.body")
DENIAL = Door("websocket.http.response.start", "websocket.http.response.body")


def hang_up(headers: RawHeaders, scope: Scope) -> None:
    """Have the server close the connection after this response; HTTP/2 and 3 do without, and forbid the word."""
    if scope.get("http_version", "").startswith("1"):
        headers.append((b"connection", b"close"))


async def send_answer(response: Mapping[str, Any], headers: RawHeaders, content: Content, scope: Scope, send: Send, limits: AllLimits, watch: Watch) -> None:
    """Send any response to the request or the handshake of ``scope``. Each event has ``send_s``; ``content`` is closed on every path, begun or not."""
    send_s = limits["send_s"]
    door = HTTP if scope["type"] == "http" else DENIAL
    is_head = scope.get("method") == "HEAD"
    if door is DENIAL and response["status"] < 300:
        cure = "a conversation is decorated with @websocket, and a denial has a status of 300 or more"
        log.warning("WS %.200a: the handshake was denied with %d, as its handler answered that; %s", scope.get("path", ""), response["status"], cure)
    try:
        if door is DENIAL and "websocket.http.response" not in (scope.get("extensions") or ()):
            last: Event = {"type": "websocket.close", "code": 1000}  # before the accept: servers answer it with 403
        else:
            await within(send_s, _send(send, {"type": door.start, "status": response["status"], "headers": headers}))
            if content is None or is_head:
                last = {"type": door.body, "body": b"" if is_head else response.get("body", b"")}
            elif isinstance(content, Path):
                last = {"type": "http.response.pathsend", "path": str(content)}
            else:
                last = {"type": door.body, "body": await watch(partial(_send_chunks, send, door, content, announced_length(headers), send_s))}
    finally:
        await close_stream(content, response.get("stream"), seconds=limits["hook_s"])
    await within(send_s, _send(send, last))


async def _send_chunks(send: Send, door: Door, chunks: AsyncIterator[Any], left: int | None, send_s: float, is_gone: Callable[[], bool]) -> bytes:
    """Send ``chunks``, never more than the ``left`` bytes that were announced; the body of the last event is returned: then nobody need watch any more.

    ``TypeError`` for a chunk that is not bytes, ``ValueError`` for too few. An iterator that swallows its cancellation is not asked again.
    """
    turns = 0
    async for chunk in chunks:
        turns += 1
        if not turns % TURN_EVERY:
            await asyncio.sleep(0)
        if is_gone():
            return b""
        if not isinstance(chunk, bytes):
            raise TypeError(f"a response's stream must yield bytes, got {type(chunk).__name__}")
        if left is not None:
            if len(chunk) > left:
                log.error("a response's stream yields more than its content-length announces; the rest is not sent")
                return chunk[:left]
            left -= len(chunk)
        if chunk:
            await within(send_s, _send(send, {"type": door.body, "body": chunk, "more_body": True}))
    if left:
        raise ValueError(f"a response's stream ended {left} bytes before its content-length")
    return b""


async def _send(send: Send, event: Event) -> None:
    try:
        await send(event)
    except OSError as error:
        raise ClientDisconnect(LEFT) from error


async def prepare(
    response: Mapping[str, Any],
    headers: RawHeaders,
    request: Mapping[str, Any],
    *,
    perform: Callable[[AnyEffect, Any], Awaitable[Any]],
    limits: AllLimits,
    run_in_thread: RunInThread,
) -> Content:
    """What comes between the checks of a response and its first byte: its effects, within ``effects_s``; and what it streams from is opened,
    within another ``response_s``.

    A failed effect is ``Unavailable`` where it is that or a timeout, else a ``RuntimeError``.
    """
    try:
        if "effects" in response:
            await within(limits["effects_s"], _perform_all(response["effects"], request, perform))
        return await within(limits["response_s"], open_content(response, headers, request, run_in_thread))  # all threads may be busy, some for ever
    except asyncio.CancelledError:
        await close_stream(response.get("stream"), seconds=limits["hook_s"])
        raise


async def _perform_all(effects: Iterable[AnyEffect], request: Any, perform: Callable[[AnyEffect, Any], Awaitable[Any]]) -> None:
    for effect in effects:
        try:
            await perform(effect, request)
        except TimeoutError as error:
            raise Unavailable(f"the effect {effect.get('type')!r} of a response timed out") from error
        except Exception as error:
            if isinstance(error, ShallotError) and error.status == 503:
                raise
            raise RuntimeError(f"the effect {effect.get('type')!r} of a response failed") from error


async def open_content(response: Mapping[str, Any], headers: RawHeaders, scope: Mapping[str, Any], run_in_thread: RunInThread) -> Content:
    """What a response streams from, ready to go, so that a missing file is known before the first byte. Adds a file's ``content-length``."""
    if "stream" in response:
        stream: AsyncIterator[bytes] = aiter(response["stream"])
        return stream
    if "file" not in response:
        return None
    reader, size = await run_in_thread(open_file, response["file"])
    announced = announced_length(headers)
    if announced is None:
        headers.append((b"content-length", b"%d" % size))
    elif announced != size:
        reader.close()
        raise ValueError(f"header 'content-length' says {announced} and the file has {size} bytes; leave the header out, it is set from the file")
    if scope["type"] == "http" and "http.response.pathsend" in (scope.get("extensions") or ()):
        reader.close()
        return Path(await run_in_thread(os.path.abspath, response["file"]))
    return FileStream(reader, size, run_in_thread)


def open_file(path: str | os.PathLike[str]) -> tuple[FileReader, int]:
    """An open regular file and its size; ``OSError`` says why there is none. To be called in a thread."""
    descriptor = os.open(path, _READ_ONLY)
    reader = FileReader(descriptor)
    status = os.fstat(descriptor)
    if not S_ISREG(status.st_mode):
        reader.close()
        raise OSError(f"a response's file must be a regular file; {os.fspath(path)!r} is none")
    return reader, status.st_size


async def close_stream(*streams: Any, seconds: float) -> None:
    """Close what a response streams from, begun or not, in the task that iterates it. What goes wrong is logged: it changes no answer."""
    for number, stream in enumerate(streams):
        if hasattr(stream, "aclose") and not any(stream is other for other in streams[:number]):
            try:
                await within(seconds, _close(stream))
            except Exception:
                log.exception("a response's stream could not be closed")


async def _close(stream: Any) -> None:
    await stream.aclose()
