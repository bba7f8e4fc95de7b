"""build_server: the one place where all meets. A straight line for a request and one for a WebSocket, each to be read from top to bottom."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from .asgi import RawHeaders, announced_length, declared_length, handshake_headers, is_handshake, may_have_body, request_reader, response_headers
from .body import BodyStream, read_body
from .compose import as_handler, read_spec
from .deadline import DeadlinePassed, within
from .errors import ClientDisconnect, ShallotError, Unavailable, real_error
from .failures import report
from .files import FileStream
from .lifecycle import Lifecycle, Plan
from .limits import check_limits, default_limits
from .response import text
from .sending import Work, close_stream, deliver, open_file, send_answer, send_whole
from .threads import Threads
from .types import AnyEffect, EffectFunction, Handler, Limits, Receive, Response, Scope, Send
from .websocket.conversations import Conversations
from .websocket.table import EffectTable

__all__ = ["App", "build_server", "standard_not_found"]

log = logging.getLogger("shallot")

SHORTHANDS = {"max_responde_timeout_s": "response_s", "max_receive_timeout_s": "body_s", "max_body_bytes": "body_bytes"}
PLAIN_KEYS = frozenset({"status", "headers", "body", "cookies"})
"""A response with no other key has only to be sent."""


def build_server(
    handler: Handler,
    max_responde_timeout_s: float | None = None,
    max_receive_timeout_s: float | None = None,
    on_start: Callable[[Any], Any] | None = None,
    on_stop: Callable[[Any], Any] | None = None,
    *,
    resources: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    max_body_bytes: int | None = None,
    stream_body: Callable[[Scope], bool | int] | None = None,
    effects: Mapping[str, EffectFunction] | None = None,
    threads: int = 40,
) -> App:
    """An ASGI application that answers with ``handler(request)``."""
    given = {name: value for name, value in zip(SHORTHANDS, (max_responde_timeout_s, max_receive_timeout_s, max_body_bytes), strict=True) if value is not None}
    return App(
        handler,
        limits=_all_limits(limits or {}, given),
        on_start=on_start,
        on_stop=on_stop,
        resources=resources or {},
        stream_body=stream_body,
        effects=effects or {},
        threads=threads,
    )


async def standard_not_found(request: Any) -> Response:
    """404, "Not Found": the default handler of most piles. On a WebSocket it is a denial."""
    return text("Not Found", 404)


def _all_limits(limits: Limits, shorthands: Mapping[str, float]) -> Limits:
    for shorthand, value in shorthands.items():
        if SHORTHANDS[shorthand] in limits:
            raise ValueError(f"build_server: {shorthand}= is the limit {SHORTHANDS[shorthand]!r}, which limits= gives too; leave out one of them")
    chosen = cast(Limits, {**limits, **{SHORTHANDS[shorthand]: value for shorthand, value in shorthands.items()}})
    check_limits(chosen, where="build_server")
    return {**default_limits(), **chosen}


class App:
    """What ``build_server`` gives: an ASGI 3 application. All its state is its own; ``spec`` lists what was composed, outermost first."""

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits,
        on_start: Callable[[Any], Any] | None,
        on_stop: Callable[[Any], Any] | None,
        resources: Mapping[str, Any],
        stream_body: Callable[[Scope], bool | int] | None,
        effects: Mapping[str, EffectFunction],
        threads: int,
    ) -> None:
        pool = Threads(threads)
        self.spec = read_spec(handler)
        self._handler = as_handler(handler)
        self._limits = limits
        self._response_s = limits["response_s"]
        self._send_s = limits["send_s"]
        self._stream_body = stream_body
        self._table = EffectTable(effects)
        self._conversations = Conversations(limits, self._table)
        self._run_in_thread = pool.run
        self._request_from_scope = request_reader(limits, pool.run)
        self._life = Lifecycle(
            Plan(
                resources=resources,
                on_start=None if on_start is None else as_handler(on_start),
                on_stop=None if on_stop is None else as_handler(on_stop),
                table=self._table,
                drain=self._conversations.drain,
                run_in_thread=pool.run,
                close_threads=pool.close,
                shutdown_s=limits["shutdown_s"],
            )
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """HTTP: scope -> limits -> body -> request dict -> handler -> response dict -> validated -> effects -> events."""
        if scope["type"] != "http":
            await self._other_line(scope, receive, send)
            return
        response: Any = None
        body: BodyStream | None = None
        is_read = False
        try:
            config = self._life.config
            if config is None:
                config = await self._life.admit()
            request = self._request_from_scope(scope, config)
            if self._stream_body is not None or may_have_body(request):
                body = await self._take_body(request, scope, receive)
            is_read = body is None
            response = await within(self._response_s, self._handler(request))
            headers = response_headers(response, request["method"])
            content = None if PLAIN_KEYS.issuperset(response) else await self._prepare(response, headers, request)
        except (Exception, BaseExceptionGroup) as error:
            await self._answer_error(error, response, scope, send, hang_up=not is_read)
            return
        if content is None and request["method"] != "HEAD":
            await deliver(within(self._send_s, send_whole(send, response["status"], headers, response.get("body", b""))))
        else:
            await deliver(send_answer(response, headers, content, scope, send, self._limits, partial(_while_connected, receive, body)))
        if body is not None:
            await body.aclose()

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """WebSocket: scope -> request dict -> handler -> response dict -> accept or denial -> converse -> close -> hooks."""
        if (await receive())["type"] != "websocket.connect":
            return  # the client was gone before it was asked for
        response: Any = None
        try:
            config = self._life.config
            if config is None:
                config = await self._life.admit()
            request = self._request_from_scope(scope, config)
            response = await within(self._limits["accept_s"], self._handler(request))
            accepted = is_handshake(response)
            headers = handshake_headers(response) if accepted else response_headers(response, "WS")
            content = await self._prepare(response, headers, request)
        except (Exception, BaseExceptionGroup) as error:
            await self._answer_error(error, response, scope, send)
            return
        if accepted:
            await self._conversations.converse(response["websocket"], request, receive, send, headers)
        else:
            await deliver(send_answer(response, headers, content, scope, send, self._limits, partial(_while_connected, receive, None)))

    async def _other_line(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "websocket":
                await self._websocket(scope, receive, send)
            case "lifespan":
                await self._life.lifespan(scope, receive, send)
            case kind:
                raise ValueError(f"shallot speaks the ASGI protocols http, websocket and lifespan, not {kind!r}")

    # ---- the stages, in order

    async def _take_body(self, request: dict[str, Any], scope: Scope, receive: Receive) -> BodyStream | None:
        """Put ``body`` or ``stream`` into the request."""
        declared = declared_length(request["headers"])
        bound: object = self._stream_body is not None and self._stream_body(scope)
        if bound is False:
            if may_have_body(request):
                request["body"] = await read_body(receive, self._limits, declared)
            return None
        if not isinstance(bound, int):
            raise TypeError(f"build_server: stream_body(scope) must return a bool, or a bound in bytes; got {type(bound).__name__}")
        stream = BodyStream(receive, self._limits["stream_bytes"] if bound is True else bound, self._limits["body_s"], declared)
        request["stream"] = stream
        return stream

    async def _prepare(self, response: Response, headers: RawHeaders, request: Any) -> AsyncIterator[bytes] | Path | None:
        """What a response needs before its first byte: its effects performed, its file opened. Gives what will be streamed."""
        if effects := response.get("effects"):
            await within(self._limits["effects_s"], self._perform(effects, request))
        if "stream" in response:
            return aiter(response["stream"])
        if "file" not in response:
            return None
        reader, size = await self._run_in_thread(open_file, response["file"])
        announced = announced_length(headers)
        if announced is None:
            headers.append((b"content-length", b"%d" % size))
        elif announced != size:
            reader.close()
            raise ValueError(f"header 'content-length' says {announced} and the file has {size} bytes; leave the header out")
        if request["type"] == "http" and "http.response.pathsend" in (request.get("extensions") or ()):
            reader.close()
            return Path(os.path.abspath(response["file"]))
        return FileStream(reader, size, self._run_in_thread)

    async def _perform(self, effects: Sequence[AnyEffect], request: Any) -> None:
        for effect in effects:
            try:
                await self._table.perform(effect, request)
            except TimeoutError as error:
                raise Unavailable(f"the effect {effect.get('type')!r} of a response timed out") from error
            except Exception as error:
                if isinstance(error, ShallotError) and error.status == 503:
                    raise
                raise RuntimeError(f"the effect {effect.get('type')!r} of a response failed") from error

    async def _answer_error(self, failure: BaseException, response: Any, scope: Scope, send: Send, *, hang_up: bool = False) -> None:
        """Answer what went wrong before the first byte. ``hang_up``: some of the request was not read, so nothing can follow on its connection."""
        error = real_error(failure)
        if isinstance(response, dict):
            await close_stream(cast("dict[str, Any]", response).get("stream"), seconds=self._limits["hook_s"])
        if not isinstance(error, Exception):
            raise failure
        if isinstance(error, ClientDisconnect):
            log.debug("%s; the handler was not called", error)
            return
        answer = report(error, scope, 503 if isinstance(error, DeadlinePassed) else None)
        headers = response_headers(answer, "GET")
        if hang_up and scope.get("http_version") in ("1.0", "1.1"):
            headers.append((b"connection", b"close"))
        await deliver(send_answer(answer, headers, None, scope, send, self._limits))


async def _while_connected(receive: Receive, body: BodyStream | None, work: Work) -> bytes:
    """Await ``work(is_gone)``, and cancel it once the client left: that is a ``ClientDisconnect``. A cancellation from outside is passed on.

    Where the request is streamed too, its own reader hears that the client left; only after that is there anything to watch.
    """
    task = cast("asyncio.Task[Any]", asyncio.current_task())
    others = task.cancelling()
    gone = False

    async def watch() -> None:
        nonlocal gone
        if body is not None:
            await body.ended.wait()
        for _ in range(2):  # the first may be the empty body that nobody had to read
            if (await receive())["type"] in ("http.disconnect", "websocket.disconnect"):
                gone = True
                task.cancel()
                return

    watcher = asyncio.create_task(watch())
    try:
        last = await work(lambda: gone)
    except asyncio.CancelledError:
        if not gone or task.cancelling() - 1 > others:
            raise
        last = b""
    finally:
        watcher.cancel()
        if gone:
            task.uncancel()
        await asyncio.wait([watcher])
    if gone:
        raise ClientDisconnect
    return last
