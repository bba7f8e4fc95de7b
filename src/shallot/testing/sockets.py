"""A scripted conversation: the client's end of one WebSocket. Each wait has a deadline and tells what was seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, TypedDict

from ..codec.json import JSONError, format_json, parse_json
from ..types import ASGIApp, Event, Scope
from .answers import Answer, Denied, format_event_headers, read_answer
from .failures import Transcript, Unexpected
from .fakes import AfterLeave, FakeServer

__all__ = ["Accepted", "Closed", "Socket", "conversation"]


class Accepted(TypedDict):
    """How the app accepted the handshake."""

    subprotocol: str | None
    headers: dict[str, str]
    headers_list: list[tuple[str, str]]


class Closed(TypedDict):
    """How the app ended the conversation."""

    code: int
    reason: str


class Socket:
    """The client's end of an accepted WebSocket; made by ``client(app).websocket(path)``.

    ``accepted`` tells how: ``{"subprotocol", "headers", "headers_list"}``. The app may be at most ``ahead`` messages ahead of what was read:
    then its ``send`` waits, as on a real connection.
    """

    ahead = 1000

    def __init__(self, server: FakeServer, accepted: Accepted, *, deadline_s: float, raise_errors: bool) -> None:
        self.accepted = accepted
        self._server = server
        self._deadline_s = deadline_s
        self._raise_errors = raise_errors
        self._left = False
        self._read = 1  # of server.sent: the accept is the first
        server.release(self._read + self.ahead)

    @property
    def transcript(self) -> Transcript:
        """All that went in and out, as the app saw it: pairs ``(way, event)``, the way being ``"in"``, ``"out"``, or ``"late"`` (sent after the end)."""
        return tuple(self._server.transcript)

    async def send(self, data: str | bytes) -> None:
        """Send one message: ``str`` as text, ``bytes`` as binary. It does not wait for the app to take it.

        Where the app has closed and the test has not read that yet the message is lost, as it would be; later it is ``Unexpected``.
        """
        key = {str: "text", bytes: "bytes"}.get(type(data))
        if key is None:
            raise TypeError(f"send: expected str or bytes, got {type(data).__name__}; for JSON there is send_json")
        server = self._server
        if self._left or (server.closed and self._read == len(server.sent)):
            raise self._failure(f"{data!r} cannot be sent: the conversation is over")
        if not server.closed:
            server.push({"type": "websocket.receive", key: data})

    async def send_json(self, value: Any) -> None:
        """Send ``value`` as one text message of compact JSON."""
        await self.send(format_json(value).decode())

    async def expect(self) -> str | bytes:
        """The next message of the app. A close instead, or none within the deadline, is ``Unexpected``."""
        event = await self._next("a message")
        if event["type"] != "websocket.send":
            raise self._failure(f"expected a message, got {_tell(event)}")
        text: str | None = event.get("text")
        return event["bytes"] if text is None else text

    async def expect_json(self) -> Any:
        """The next message of the app, text or binary, parsed as JSON."""
        message = await self.expect()
        try:
            return parse_json(message.encode() if isinstance(message, str) else message)
        except JSONError as error:
            raise self._failure(f"expected JSON, got {message!r} ({error})") from None

    async def expect_nothing(self, *, within_s: float = 0) -> None:
        """``Unexpected`` if a message or a close came that was not read, or comes from what the app can do at once.

        "At once" means: until 25 turns of the event loop in a row passed in which the app neither took nor sent an event. No clock is involved, so
        what would come later, after a timer, from a thread or over a socket, is not waited for; ``within_s`` waits that long as well.
        """
        await self._server.settle()
        if within_s:
            await asyncio.sleep(within_s)
        if len(self._server.sent) > self._read:
            raise self._failure(f"expected nothing, got {_tell(self._server.sent[self._read])}")

    async def expect_close(self, code: int | None = None) -> Closed:
        """The app's close, which must have this ``code`` if one is given. An app that ends without closing is 1006, what a client sees then."""
        event = await self._next("a close", or_end=True)
        if event["type"] != "websocket.close":
            raise self._failure(f"expected a close, got {_tell(event)}")
        closed = _closed(event)
        if code is not None and closed["code"] != code:
            raise self._failure(f"expected close {code}, got {_tell(event)}")
        return closed

    async def leave(self, code: int = 1001, reason: str = "") -> None:
        """Go, now: the app sees ``websocket.disconnect`` behind the messages already sent. 1001 is a closed tab, 1006 a lost connection."""
        self._left = True
        self._server.leave(code, reason)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close in good order, and wait until the app has ended."""
        await self.leave(code, reason)
        await self._server.until(lambda: self._server.is_over, "the app to end after the client's close", deadline_s=self._deadline_s)

    # ---- inside

    async def _next(self, what: str, *, or_end: bool = False) -> Event:
        server = self._server
        await server.until(lambda: len(server.sent) > self._read or server.is_over, what, deadline_s=self._deadline_s)
        if len(server.sent) > self._read:
            self._read += 1
            server.release(self._read + self.ahead)
            return server.sent[self._read - 1]
        if or_end and server.state == "open" and not self._left and (server.error is None or not self._raise_errors):
            return {"type": "websocket.close", "code": 1006}
        raise self._failure(f"expected {what}, but the app has ended")

    def _failure(self, text: str) -> Unexpected:
        failure = Unexpected(self._server.tell(text))
        failure.__cause__ = self._server.error
        return failure


@asynccontextmanager
async def conversation(app: ASGIApp, scope: Scope, *, deadline_s: float, raise_errors: bool, after_leave: AfterLeave) -> AsyncGenerator[Socket, None]:
    """Open a WebSocket on ``app``; leave it at the block's end (1001) and wait until the app has ended."""
    server = FakeServer(scope, [{"type": "websocket.connect"}], after_leave=after_leave)
    task = server.start(app)
    try:
        await server.until(lambda: server.state not in ("connecting", "denying") or task.done(), "an accept or a denial", deadline_s=deadline_s)
        if not server.sent or server.sent[0]["type"] != "websocket.accept":
            raise await _denied(server, deadline_s, raise_errors)
        yield Socket(server, _accepted(server), deadline_s=deadline_s, raise_errors=raise_errors)
        server.leave(1001)
        await server.end(deadline_s=deadline_s, raise_errors=raise_errors)
    except Exception as error:
        if server.error not in (None, error, error.__cause__):
            error.add_note(f"The app had raised {server.error!r}.")
        raise
    finally:
        server.leave(1001)
        await server.stop(deadline_s=deadline_s)


async def _denied(server: FakeServer, deadline_s: float, raise_errors: bool) -> Denied:
    await server.end(deadline_s=deadline_s, raise_errors=raise_errors)
    answer: Answer = {"status": 403, "headers": {}, "headers_list": [], "body": b"", "chunks": [], "cut": False}
    if not server.sent:
        answer["status"] = 500
        if raise_errors:
            raise Unexpected(server.tell("the app ended without an answer to the handshake"))
    elif server.sent[0]["type"] == "websocket.http.response.start":
        answer = await read_answer(server.sent, error=server.error)
    return Denied(server.tell(f"the handshake was denied with {answer['status']}"), answer)


def _accepted(server: FakeServer) -> Accepted:
    event = server.sent[0]
    subprotocol: str | None = event.get("subprotocol")
    if subprotocol is not None and subprotocol not in server.scope["subprotocols"]:  # RFC 6455 4.1: the client must fail the connection
        raise Unexpected(server.tell(f"the app chose the subprotocol {subprotocol!r}, which was not offered"))
    headers, lines = format_event_headers(event.get("headers", ()))
    return {"subprotocol": subprotocol, "headers": headers, "headers_list": lines}


def _closed(event: Event) -> Closed:
    return {"code": event.get("code", 1000), "reason": event.get("reason") or ""}


def _tell(event: Event) -> str:
    if event["type"] == "websocket.close":
        return f"close {_closed(event)['code']} {_closed(event)['reason']!r}"
    return repr(event["bytes"] if event.get("text") is None else event["text"])
