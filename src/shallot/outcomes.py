"""How a request or a conversation went, told once when it is over: what logs, metrics and traces stand on. Writes nothing, counts nothing for long."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import AsyncIterator, Callable, Mapping
from time import perf_counter
from typing import Any, Literal, NamedTuple, TypeAlias

from .codec.headers import find_header
from .deadline import DeadlinePassed
from .errors import ClientDisconnect, ShallotError, real_error
from .types import AnyEffect, Close, Message, Response, Tap

__all__ = ["Direction", "OnBegin", "OnMessage", "Outcome", "Tell", "WatchedStream", "outcome_of_error", "status_of_error", "with_outcome", "with_tap"]

Direction: TypeAlias = Literal["in", "out"]
"""From the client, or to it."""


class Outcome(NamedTuple):
    """What became of a request, or of a conversation (then there is ``close``)."""

    status: int | None
    """``None``: nobody was answered, because the client left or the server cancelled the work."""
    seconds: float
    """From the request's arrival to the end of its response, or of its conversation."""
    bytes_in: int = 0
    """Of the body, or of all messages from the client."""
    bytes_out: int | None = 0
    """Of the response's body, or of all messages to the client; ``None``: a file, whose length is known to nobody yet."""
    messages_in: int = 0
    messages_out: int = 0
    close: Close | None = None
    is_whole: bool = True
    """Not so where a stream was cut: the client left, or the stream raised."""


Tell: TypeAlias = Callable[[Outcome], None]
"""Is told, once."""
OnBegin: TypeAlias = Callable[[], None]
"""A conversation was accepted."""
OnMessage: TypeAlias = Callable[[Direction, int], None]
"""A message passes: which way, and its bytes."""


def with_outcome(
    response: Response, request: Mapping[str, Any], began: float, tell: Tell, *, on_begin: OnBegin | None = None, on_message: OnMessage | None = None
) -> Response:
    """``response``, or a copy that is watched to its end; then ``tell(outcome)`` is called, once. ``began`` is in ``perf_counter``'s time.

    An ordinary response is over now: it is told at once. A stream is told when it ends, is cut or is closed. A conversation is told when it ends;
    ``on_begin()`` is called when it was accepted, ``on_message(direction, bytes)`` for each message. One that is never accepted is never told.

        >>> with_outcome({"status": 200, "body": b"hi"}, {"method": "GET"}, perf_counter(), lambda outcome: print(outcome.status, outcome.bytes_out))
        200 2
        {'status': 200, 'body': b'hi'}
    """
    status, size_in = response["status"], len(request.get("body", b""))
    if status == 101 and "websocket" in response:
        return with_tap(response, _count(began, tell, on_begin, on_message))
    if request["method"] == "HEAD":
        tell(Outcome(status, perf_counter() - began, size_in))
    elif "stream" in response and hasattr(response["stream"], "__aiter__"):

        def ended(size: int, is_whole: bool) -> None:
            tell(Outcome(status, perf_counter() - began, size_in, size, is_whole=is_whole))

        return {**response, "stream": WatchedStream(response["stream"], ended)}
    else:
        tell(Outcome(status, perf_counter() - began, size_in, _announced(response) if "file" in response else len(response.get("body", b""))))
    return response


def outcome_of_error(error: BaseException, request: Mapping[str, Any], began: float) -> Outcome:
    """What becomes of a request whose handler raised, or was cancelled: over ``response_s`` or ``accept_s`` the app answers 503."""
    status = 503 if request.get("overdue") and isinstance(real_error(error), CancelledError) else status_of_error(error)
    return Outcome(status, perf_counter() - began, len(request.get("body", b"")))


def status_of_error(error: BaseException) -> int | None:
    """The status with which an uncaught ``error`` is answered; ``None``: nobody is.

    >>> status_of_error(KeyError("x"))
    500
    """
    match real_error(error):
        case ClientDisconnect() | CancelledError():
            return None
        case ShallotError() as known:
            return known.status
        case DeadlinePassed():
            return 503
        case _:
            return 500


def with_tap(response: Response, tap: Tap) -> Response:
    """A copy of a 101 ``response`` whose conversation has one ``tap`` more, outside of those it has."""
    conversation = response.get("websocket")
    if conversation is None:
        return response
    return {**response, "websocket": {**conversation, "taps": [*conversation["taps"], tap]}}


class WatchedStream(AsyncIterator[bytes]):
    """``stream`` as it is; ``ended(bytes, is_whole)`` is called once: at its end, when it raises, or when it is closed before."""

    __slots__ = ("_chunks", "_ended", "_size", "_stream")

    def __init__(self, stream: Any, ended: Callable[[int, bool], None]) -> None:
        self._stream = stream
        self._chunks: Any = None
        self._ended: Callable[[int, bool], None] | None = ended
        self._size = 0

    async def __anext__(self) -> bytes:
        if self._chunks is None:
            self._chunks = aiter(self._stream)
        try:
            chunk: bytes = await anext(self._chunks)
        except StopAsyncIteration:
            self._end(True)
            raise
        except BaseException:  # a cancellation, too, is an end
            self._end(False)
            raise
        self._size += len(chunk)
        return chunk

    async def aclose(self) -> None:
        self._end(False)
        for inner in [self._chunks] if self._chunks is self._stream else [self._chunks, self._stream]:
            if hasattr(inner, "aclose"):
                await inner.aclose()

    def _end(self, is_whole: bool) -> None:
        if self._ended is not None:
            ended, self._ended = self._ended, None
            ended(self._size, is_whole)


def _announced(response: Response) -> int | None:
    length = find_header(response.get("headers") or {}, "content-length")
    return int(length) if isinstance(length, str) and length.isascii() and length.isdigit() else None


class _Counts:
    """Of one conversation."""

    __slots__ = ("bytes_in", "bytes_out", "messages_in", "messages_out")

    def __init__(self) -> None:
        self.bytes_in = self.bytes_out = self.messages_in = self.messages_out = 0


def _count(began: float, tell: Tell, on_begin: OnBegin | None, on_message: OnMessage | None) -> Tap:
    counts = _Counts()

    def message(scope: Any, message: Message) -> Message:
        if isinstance(message, (str, bytes)):
            size = _size(message)
            counts.messages_in += 1
            counts.bytes_in += size
            if on_message is not None:
                on_message("in", size)
        return message

    def effect(scope: Any, effect: AnyEffect) -> AnyEffect:
        if effect["type"] == "websocket.send":
            data = effect.get("text") or effect.get("bytes")
            size = _size(data) if isinstance(data, (str, bytes)) else 0
            counts.messages_out += 1
            counts.bytes_out += size
            if on_message is not None:
                on_message("out", size)
        return effect

    def end(scope: Any) -> None:
        tell(Outcome(101, perf_counter() - began, counts.bytes_in, counts.bytes_out, counts.messages_in, counts.messages_out, scope["close"]))

    tap: Tap = {"message": message, "effect": effect, "end": end}
    return tap if on_begin is None else {**tap, "begin": lambda scope: on_begin()}


def _size(message: str | bytes) -> int:
    return len(message) if isinstance(message, bytes) or message.isascii() else len(message.encode(errors="surrogatepass"))
