"""wrap_trace: a span for each request and one for each conversation, by OpenTelemetry's API alone. Which spans are kept, and where, is the SDK's."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token
from time import perf_counter
from typing import Any

from ..codec.escape import escape_text
from ..compose import middleware_factory
from ..outcomes import Outcome, outcome_of_error, with_outcome
from ..types import Handler, Middleware, NextMiddleware, Response

try:
    from opentelemetry import context, propagate, trace
except ImportError as error:
    raise ImportError("wrap_trace needs opentelemetry-api: pip install 'shallot[otel]'") from error

__all__ = ["end_attributes", "request_attributes", "span_name", "wrap_trace"]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
FAILED_CODE = 1011


def request_attributes(request: Mapping[str, Any]) -> dict[str, Any]:
    """What is known when a request arrives, by the names of the semantic conventions for HTTP. No query, no header.

    >>> request_attributes({"type": "http", "method": "GET", "path": "/", "scheme": "https"})
    {'http.request.method': 'GET', 'url.scheme': 'https', 'url.path': '/'}
    """
    method = "GET" if request["type"] == "websocket" else request["method"]  # a handshake is one (RFC 6455 4.1)
    attributes: dict[str, Any] = {"http.request.method": method if method in METHODS else "_OTHER"}
    if method not in METHODS:
        attributes["http.request.method_original"] = escape_text(method, 64)
    attributes |= {"url.scheme": request.get("scheme", "http"), "url.path": escape_text(request["path"])}
    if client := request.get("client"):
        attributes["client.address"] = str(client[0])
    if version := request.get("http_version"):
        attributes["network.protocol.version"] = version
    return attributes


def span_name(request: Mapping[str, Any]) -> str:
    """Of few values: the method and the row's pattern, or the method alone.

    >>> span_name({"method": "GET", "path": "/fruits/1", "route": {"path": "/fruits/{number:int}"}})
    'GET /fruits/{number:int}'
    """
    method = request["method"] if request["method"] in METHODS or request["type"] == "websocket" else "HTTP"
    return f"{method} {request['route']['path']}" if "route" in request else method


def end_attributes(request: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    """What is known when a request or a conversation is over."""
    attributes: dict[str, Any] = {}
    if "route" in request:
        attributes["http.route"] = request["route"]["path"]
    if "request_id" in request:
        attributes["shallot.request_id"] = request["request_id"]
    if outcome.close is None:
        if outcome.status is not None:
            attributes["http.response.status_code"] = outcome.status
        if outcome.bytes_out is not None:
            attributes["http.response.body.size"] = outcome.bytes_out
        return attributes
    return attributes | {
        "shallot.websocket.close_code": outcome.close["code"],
        "shallot.websocket.closed_by": outcome.close["by"],
        "shallot.websocket.messages_in": outcome.messages_in,
        "shallot.websocket.messages_out": outcome.messages_out,
        "shallot.websocket.bytes_in": outcome.bytes_in,
        "shallot.websocket.bytes_out": outcome.bytes_out or 0,
    }


@middleware_factory
def wrap_trace(*, tracer_provider: trace.TracerProvider | None = None, trust: bool = True) -> Middleware:
    """A span of kind SERVER for each request, until the end of its response, and one of kind INTERNAL below it for each conversation.

    | option | meaning | default |
    |---|---|---|
    | ``tracer_provider`` | whose spans these are | OpenTelemetry's global one |
    | ``trust`` | go on with the trace that the headers name (``traceparent``, by OpenTelemetry's global propagator) | ``True`` |

    Attributes are those of the semantic conventions for HTTP; of a conversation ``shallot.websocket.*``: close code, by whom, messages and bytes each way.
    The name is the method and the pattern of the row, where ``wrap_routes`` stands inside of this one. A status of 500 and more, and a conversation closed
    with 1011, make the span one of an error. What is raised through this layer is an event of the span, so put it inside of ``wrap_errors``, or outside for the
    status that was sent. No query, no header, no message is in it; spans are made for no message.

    Spans that a handler makes belong to its request's, those of a conversation to the conversation's.

    WebSocket: the handshake is the request. A conversation's span begins when it was accepted.

    >>> wrap_trace(trust=False).spec["options"]["trust"]
    False
    """

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        tracer = trace.get_tracer("shallot", tracer_provider=tracer_provider)

        async def traced(handler: Handler, request: Any) -> Response:
            parent = propagate.extract(request["headers"]) if trust else context.Context()
            attributes, began = request_attributes(request), perf_counter()
            span = tracer.start_span(span_name(request), parent, trace.SpanKind.SERVER, attributes)
            inside = trace.set_span_in_context(span, parent)
            token = context.attach(inside)
            try:
                response = await next_middleware(handler, request)
            except BaseException as error:
                span.record_exception(error)
                _end(span, request, outcome_of_error(error, request, began), type(error).__name__)
                raise
            finally:
                context.detach(token)
            if response["status"] != 101 or "websocket" not in response:
                return with_outcome(response, request, began, lambda outcome: _end(span, request, outcome))
            _end(span, request, Outcome(101, perf_counter() - began))
            return _with_conversation(response, request, tracer, inside)

        return traced

    return middleware


def _with_conversation(response: Response, request: Any, tracer: trace.Tracer, parent: context.Context) -> Response:
    """``response``, whose conversation has a span from its accept to its end; all of it runs in one task, whose context has that span meanwhile."""
    opened: list[tuple[trace.Span, Token[context.Context]]] = []

    def begin() -> None:
        span = tracer.start_span(f"conversation {span_name(request)}", parent)
        opened.append((span, context.attach(trace.set_span_in_context(span, parent))))

    def tell(outcome: Outcome) -> None:
        span, token = opened.pop()
        context.detach(token)
        _end(span, request, outcome)

    return with_outcome(response, request, perf_counter(), tell, on_begin=begin)


def _end(span: trace.Span, request: Mapping[str, Any], outcome: Outcome, error: str | None = None) -> None:
    if outcome.close is None:
        span.update_name(span_name(request))
    span.set_attributes(end_attributes(request, outcome))
    failed = outcome.close["code"] == FAILED_CODE and outcome.close["by"] == "server" if outcome.close else (outcome.status or 0) >= 500
    if failed:
        span.set_attribute("error.type", error or str(outcome.close["code"] if outcome.close else outcome.status))
        span.set_status(trace.StatusCode.ERROR)
    elif not outcome.is_whole or outcome.status is None:
        span.set_attribute("error.type", error or "cut")
    span.end()
