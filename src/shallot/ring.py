"""build_server: the one place where all meets. A straight line for a request and one for a WebSocket, each to be read from top to bottom."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from .asgi import HttpCourse, refused_request, request_reader
from .body import TOO_SLOW, BodyStream, StreamBody, first_chunk_s, take_body
from .compose import as_handler, check_call, read_refusals, read_spec
from .deadline import DONE, DeadlinePassed, finish_within, within
from .errors import ClientDisconnect, RequestTimeout, Unavailable, is_failure, real_error
from .failures import dress, report, report_cut
from .lifecycle import Lifecycle, Plan
from .limits import own_limits
from .options import check_effects, check_options, check_resources, join_limits
from .response import text
from .sending import LEFT, Content, close_stream, hang_up, prepare, send_answer
from .stages import Stage, finish
from .threads import Threads
from .types import AllLimits, Conversation, EffectFunction, Handler, Limits, Receive, Response, Scope, Send
from .validate import RawHeaders, handshake_headers, header_writer, is_handshake
from .watcher import while_connected
from .websocket.conversations import Conversations
from .websocket.event_streams import converse_by_events
from .websocket.table import EffectTable

__all__ = ["App", "build_server", "standard_not_found"]

log = logging.getLogger("shallot")

PLAIN_KEYS = frozenset({"status", "headers", "body", "cookies", "websocket"})
"""A response with no other key needs no preparation."""


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
    stream_body: StreamBody | None = None,
    effects: Mapping[str, EffectFunction] | None = None,
    threads: int = 40,
) -> App:
    """An ASGI application that answers every request and every WebSocket with ``handler(request)``. For any server: uvicorn, hypercorn, granian.

    Options, checked now (``TypeError`` or ``ValueError``, with the cure):

    ``max_responde_timeout_s``  short for ``limits={"response_s": ...}``: seconds until the response, not its stream (60)
    ``max_receive_timeout_s``   short for ``limits={"body_s": ...}``: seconds for the request's body (30)
    ``max_body_bytes``          short for ``limits={"body_bytes": ...}``: the largest body (1 MiB)
    ``limits``                  all bounds and deadlines by name, see ``shallot.limits``; those left out have their defaults
    ``resources``               ``{"db": pool}``: async context managers, or functions ``(config so far)`` that return one. Entered in order at
                                the start, left in reverse at the stop; each value is ``request["config"][name]``. A value with an attribute
                                ``effects``, a dict kind -> ``async f(effect, scope, mailbox)``, brings kinds of effects
    ``on_start``                ``f(context)`` after the resources; the dict it returns joins ``request["config"]``. ``context`` is the lifespan
                                scope with ``config``
    ``on_stop``                 ``f(context)`` after the conversations have ended, before the resources are left
    ``stream_body``             ``f(scope)``: true, or a bound in bytes, where the handler reads ``request["stream"]`` itself (``limits["stream_bytes"]``)
    ``effects``                 ``{"my.kind": f}``, ``async f(effect, scope)``: kinds of effects of your own, for conversations and responses
    ``threads``                 how many plain ``def`` functions run at the same time (40)

    A request that is not what HTTP allows, or more than the limits, is answered with 400, 408, 413, 414 or 431 and never reaches ``handler``.
    What ``handler`` raises is logged and answered with a small 500; ``shallot.errors`` with their status. ``app.spec`` lists what was composed.

        >>> async def hello(request):
        ...     return {"status": 200, "body": b"hello"}
        >>> app = build_server(hello, max_body_bytes=65536)
    """
    check_options(Mapping, "a dict", resources=resources, limits=limits, effects=effects)
    check_options(Callable, "a function", on_start=on_start, on_stop=on_stop, stream_body=stream_body)
    check_resources(resources or {})
    check_effects(effects or {})
    shorthands = {"response_s": max_responde_timeout_s, "body_s": max_receive_timeout_s, "body_bytes": max_body_bytes}
    return App(
        handler,
        limits=join_limits(cast(AllLimits, limits or {}), {name: value for name, value in shorthands.items() if value is not None}),
        on_start=on_start,
        on_stop=on_stop,
        resources=resources or {},
        stream_body=stream_body,
        effects=effects or {},
        threads=threads,
    )


async def standard_not_found(request: Any) -> Response:
    """404, "Not Found": the default handler of most piles. On a WebSocket it is a denial.

    >>> import asyncio
    >>> asyncio.run(standard_not_found({}))["status"]
    404
    """
    return text("Not Found", 404)


class App:
    """What ``build_server`` gives: an ASGI 3 application. All its state is its own.

    ``spec`` lists what was composed, outermost first; ``limits`` and ``resources`` are what it was given. All three are to be read, by ``check`` and its like.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: AllLimits,
        on_start: Callable[[Any], Any] | None,
        on_stop: Callable[[Any], Any] | None,
        resources: Mapping[str, Any],
        stream_body: StreamBody | None,
        effects: Mapping[str, EffectFunction],
        threads: int,
    ) -> None:
        pool = Threads(threads)
        self.spec = read_spec(handler)
        self.resources = dict(resources)
        self._refusals = read_refusals(handler)
        self._handler = as_handler(handler)
        check_call("build_server", handler)
        self.limits = self._limits = limits
        self._reading = Stage("reading", first_chunk_s(limits))
        self._answering = Stage("answering", limits["response_s"])
        self._sending = Stage("sending", limits["send_s"])
        self._stream_body = stream_body
        self._run_in_thread = pool.run
        self._request_from_scope = request_reader(limits, pool.run)
        self._response_headers = header_writer()
        self._table = EffectTable(effects)
        self._conversations = Conversations(limits, self._table)
        self._life = Lifecycle(
            Plan(
                resources=dict(resources),
                on_start=on_start and as_handler(on_start),
                on_stop=on_stop and as_handler(on_stop),
                table=self._table,
                drain=self._conversations.drain,
                run_in_thread=pool.run,
                close_threads=pool.close,
                shutdown_s=limits["shutdown_s"],
            )
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await (self._websocket if scope["type"] == "websocket" else self._lifespan)(scope, receive, send)
            return
        course = HttpCourse()
        line = self._http(scope, receive, send, course)
        waits_for = next(line.__await__(), DONE)
        if waits_for is not DONE:  # most requests are over with their first step, and there is nothing to time
            try:
                await finish(line, waits_for, course)
            except DeadlinePassed as error:
                await self._answer_late(error, course, scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send, course: HttpCourse) -> None:
        """HTTP: scope -> limits -> body -> request dict -> handler -> response dict -> validated -> effects -> events."""
        response: Any = None
        stream: BodyStream | None = None
        is_read = False
        try:
            config = self._life.config
            if config is None:
                config = await within(self._answering.seconds, self._life.admit())
            request, may_have_body = self._request_from_scope(scope, config)
            course.request = request
            if may_have_body or self._stream_body is not None:
                course.stage = self._reading
                stream = await take_body(request, scope, receive, self._limits, self._stream_body, course, may_have_body=may_have_body)
            is_read = stream is None
            if stream is None:
                course.stage = self._answering
                response = await self._handler(request)
            else:
                course.stage = None
                response = await stream.within(self._answering.seconds, self._handler(request), course.late)
            course.stage = None
            headers = self._response_headers(response, scope)
            content = None if len(response) == 3 and "body" in response and "headers" in response else await self._prepare(response, headers, request)
        except BaseException as error:  # a cancellation, too: one that nobody asked of this request is an error like others, and answered
            if not is_failure(error):
                raise
            course.stage = None
            if stream is not None:
                is_read = stream.whole
                stream.ended.set()
            await self._answer_error(error, course.request, response, scope, receive, send, is_last=not is_read)
            return
        if content is not None or stream is not None or scope["method"] == "HEAD":  # a middleware may call it GET: what goes out is for the client
            if isinstance(content, dict):
                await converse_by_events(self._conversations.converse, content, request, receive, send, headers, self._sending.seconds)
            else:
                await self._send_answer(response, headers, content, scope, receive, send, own_limits(request, self._limits), stream)
            return
        course.stage = self._sending
        try:
            await send({"type": "http.response.start", "status": response["status"], "headers": headers})
            await send({"type": "http.response.body", "body": response.get("body", b"")})
        except (Exception, BaseExceptionGroup) as error:
            if report_cut(ClientDisconnect(LEFT) if isinstance(error, OSError) else error):
                raise

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """WebSocket: scope -> request dict -> handler -> response dict -> accept or denial -> converse -> close -> hooks."""
        if (await receive())["type"] != "websocket.connect":
            return  # the client was gone before it was asked for
        course = HttpCourse()
        try:
            config = self._life.config
            if config is None:
                config = await within(self._limits["accept_s"], self._life.admit())
            request, _ = self._request_from_scope(scope, config)
            course.request = request
            greeting = course.answer(self._handler)
            waits_for = next(greeting.__await__(), DONE)
            if waits_for is not DONE:
                await finish_within(self._limits["accept_s"], greeting, waits_for, partial(self._accept_s, request), course.late)
            response = course.response
            accepted = is_handshake(response)
            headers = handshake_headers(response) if accepted else self._response_headers(response, request)
            content = None if PLAIN_KEYS.issuperset(response) else await self._prepare(response, headers, request)
            if accepted and self._life.config is not config:
                raise Unavailable("the app is shutting down")  # since the handshake began: nobody would drain what begins now
        except BaseException as error:  # a cancellation, too: one that nobody asked of this request is an error like others, and answered
            if not is_failure(error):
                raise
            await self._answer_error(error, course.request, course.response, scope, receive, send)
            return
        if accepted:
            conversation = response["websocket"]
            del response, course, greeting  # an idle conversation may last for days: nothing is kept that it does not need
            await self._conversations.converse(conversation, request, receive, send, headers)
        else:
            await self._send_answer(response, headers, content, scope, receive, send, own_limits(request, self._limits), None)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            raise ValueError(f"shallot speaks ASGI's http, websocket and lifespan; not {scope['type']!r}")
        await self._life.lifespan(scope, receive, send)

    def _accept_s(self, request: Any) -> float:
        """How long the handshake may take, as far as is known by now: the row and ``@websocket`` may have raised it."""
        return float(max(self._limits["accept_s"], own_limits(request, self._limits)["accept_s"]))

    # ---- stages of both lines

    async def _prepare(self, response: Response, headers: RawHeaders, request: Any) -> Content | Conversation:
        content = await prepare(response, headers, request, perform=self._table.perform, limits=self._limits, run_in_thread=self._run_in_thread)
        if request["type"] == "websocket" or not is_handshake(response):
            return content
        if self._life.config is not request["config"]:
            raise Unavailable("the app is shutting down")
        return response.get("websocket")  # a conversation that answers a GET, as a stream of events

    async def _answer_late(self, error: DeadlinePassed, course: HttpCourse, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose line was cut short: nothing of it runs any more."""
        if course.stage is self._sending:
            report_cut(error)
        else:
            is_last = course.stage is self._reading
            await self._answer_error(RequestTimeout(TOO_SLOW) if is_last else error, course.request, None, scope, receive, send, is_last=is_last)

    async def _answer_error(
        self, failure: BaseException, request: Any, response: Any, scope: Scope, receive: Receive, send: Send, *, is_last: bool = False
    ) -> None:
        """Answer what went wrong before the first byte. ``is_last``: some of the request was not read, so no other can follow on its connection."""
        error = real_error(failure)
        if isinstance(response, dict):
            await close_stream(cast("dict[str, Any]", response).get("stream"), seconds=self._limits["hook_s"])
        if isinstance(error, ClientDisconnect):
            log.debug("%s; nobody is answered", error)
            return
        answer = report(error, scope, 503 if isinstance(error, DeadlinePassed) else None)
        answer, lines = dress(answer, request or refused_request(scope), self._refusals, self._response_headers)
        if is_last:
            hang_up(lines, scope)
        await self._send_answer(answer, lines, None, scope, receive, send, self._limits, None)

    async def _send_answer(
        self, response: Response, lines: RawHeaders, content: Any, scope: Scope, receive: Receive, send: Send, limits: AllLimits, stream: BodyStream | None
    ) -> None:
        """Send any response: to a HEAD, from a stream or a file, to a WebSocket's handshake. ``stream`` is the request's, which ends here."""
        try:
            if stream is not None and not stream.whole:
                hang_up(lines, scope)
            await send_answer(response, lines, content, scope, send, limits, partial(while_connected, receive, stream))
        except (Exception, BaseExceptionGroup) as error:
            if report_cut(error):
                raise
        finally:
            if stream is not None:
                stream.ended.set()
