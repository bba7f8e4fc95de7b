"""wrap_metrics: numbers for Prometheus, in a registry of the app's own. Labels have few values, whatever a client sends."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache, partial
from time import perf_counter
from typing import Any

from ..compose import middleware_factory
from ..outcomes import Direction, Outcome, outcome_of_error, with_outcome
from ..types import Handler, Middleware, NextMiddleware, Response

try:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.exposition import choose_encoder
except ImportError as error:
    raise ImportError("wrap_metrics needs prometheus-client: pip install 'shallot[prometheus]'") from error

__all__ = ["Meters", "close_label", "metrics_handler", "route_label", "wrap_metrics"]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WS"})
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LIFETIMES_S = (1.0, 10.0, 60.0, 600.0, 3600.0, 21600.0, 86400.0)
NAMED_CODES = range(1000, 1016)
KEPT = 4096
"""Meters of answers that are at hand."""
COUNTED = "metrics_counted"
"""Of the request: the status that it was counted with."""


def route_label(request: Mapping[str, Any]) -> str:
    """The pattern of the row, never the path, which clients choose; ``"-"`` where no row was found.

    >>> route_label({"path": "/fruits/1", "route": {"path": "/fruits/{number:int}"}})
    '/fruits/{number:int}'
    """
    return request["route"]["path"] if "route" in request else "-"


def close_label(outcome: Outcome) -> tuple[str, str]:
    """Code and closer of a conversation. Codes without a common meaning are one for each thousand: a client may send any of them.

    >>> close_label(Outcome(101, 1.0, close={"code": 4321, "reason": "", "by": "client"}))
    ('4xxx', 'client')
    """
    close = outcome.close or {"code": 1005, "reason": "", "by": "client"}
    code = close["code"]
    return (str(code) if code in NAMED_CODES else f"{code // 1000}xxx"), close["by"]


class Meters:
    """All that is measured, by its names in one registry. Two in one registry are a ``ValueError``."""

    def __init__(self, registry: CollectorRegistry, namespace: str) -> None:
        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(name, what, labels, namespace=namespace, registry=registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(name, what, labels, namespace=namespace, registry=registry)

        self.requests = counter("requests", "Requests and handshakes that were answered", "method", "route", "status")
        self.running = gauge("requests_running", "Requests and handshakes without a response yet")
        self.seconds = Histogram(
            "request_seconds", "Until the end of the response", ("method", "route"), namespace=namespace, registry=registry, buckets=SECONDS
        )
        self.body_bytes = counter("body_bytes", "Of the bodies of requests and responses", "route", "direction")
        self.cut = counter("streams_cut", "Responses whose stream did not end whole", "route")
        self.replaced = counter("answers_replaced", "What the app answered in place of a response that was counted", "route", "status")
        self.open = gauge("websockets_open", "Conversations that go on now", "route")
        self._of_answer = lru_cache(maxsize=KEPT)(self._find_meters)
        self._unread: dict[int, Callable[[], int]] = {}
        gauge("messages_unread", "Of the clients of all conversations, read ahead of their handlers").set_function(self.count_unread)
        self.conversations = counter("conversations", "Conversations that have ended", "route", "code", "by")
        self.lifetimes = Histogram("conversation_seconds", "From handshake to end", ("route",), namespace=namespace, registry=registry, buckets=LIFETIMES_S)
        self.messages = counter("messages", "Messages of conversations", "route", "direction")
        self.message_bytes = counter("message_bytes", "Of messages of conversations", "route", "direction")
        self.dropped = counter("messages_dropped", "Not sent after the client left, or discarded unread", "route", "direction")

    def _find_meters(self, method: str, route: str, status: int | None) -> tuple[Counter, Histogram, Counter, Counter]:
        """Of one kind of answer. To look one up by its labels takes longer than to count."""
        sizes = self.body_bytes
        return (
            self.requests.labels(method, route, str(status or "none")),
            self.seconds.labels(method, route),
            sizes.labels(route, "in"),
            sizes.labels(route, "out"),
        )

    def count_request(self, request: Any, outcome: Outcome) -> None:
        """An answer is over."""
        request[COUNTED] = outcome.status
        route = route_label(request)
        answers, seconds, bytes_in, bytes_out = self._of_answer(_method(request), route, outcome.status)
        answers.inc()
        seconds.observe(outcome.seconds)
        if outcome.bytes_in:
            bytes_in.inc(outcome.bytes_in)
        if outcome.bytes_out:
            bytes_out.inc(outcome.bytes_out)
        if not outcome.is_whole:
            self.cut.labels(route).inc()

    def count_handshake(self, request: Any, seconds: float) -> None:
        """A handshake was accepted, by us."""
        route = route_label(request)
        self._count_answer(request, route, 101)
        self.seconds.labels("WS", route).observe(seconds)

    def _count_answer(self, request: Any, route: str, status: int | None) -> None:
        request[COUNTED] = status
        self.requests.labels(_method(request), route, str(status or "none")).inc()

    def count_refusal(self, request: Any, status: int) -> None:
        """The app answers by itself: what never came in here, or in place of what did."""
        if COUNTED not in request:
            self._count_answer(request, route_label(request), status)
        elif request[COUNTED] != status:
            self.replaced.labels(route_label(request), str(status)).inc()

    def count_unread(self) -> int:
        """How many messages wait, in all conversations."""
        return sum(unread() for unread in list(self._unread.values()))

    def count_opening(self, request: Mapping[str, Any]) -> None:
        """A conversation begins."""
        self.open.labels(route_label(request)).inc()
        self._unread[id(request)] = request["unread"]

    def count_conversation(self, request: Mapping[str, Any], outcome: Outcome) -> None:
        """A conversation is over."""
        route = route_label(request)
        self.open.labels(route).dec()
        del self._unread[id(request)]
        self.conversations.labels(route, *close_label(outcome)).inc()
        self.lifetimes.labels(route).observe(outcome.seconds)
        if dropped := request.get("dropped"):
            self.dropped.labels(route, "in").inc(dropped["messages"])
            self.dropped.labels(route, "out").inc(dropped["sends"])

    def message_counter(self, request: Mapping[str, Any]) -> Callable[[Direction, int], None]:
        """A function that counts the messages of one conversation as they come and go."""
        route = route_label(request)
        meters = {way: (self.messages.labels(route, way), self.message_bytes.labels(route, way)) for way in ("in", "out")}

        def count(direction: Direction, size: int) -> None:
            messages, sizes = meters[direction]
            messages.inc()
            sizes.inc(size)

        return count


@middleware_factory
def wrap_metrics(registry: CollectorRegistry, *, namespace: str = "shallot") -> Middleware:
    """Count requests, conversations and messages in ``registry``; ``metrics_handler(registry)`` shows them. Put it outside of ``wrap_errors``.

    | option | meaning | default |
    |---|---|---|
    | ``registry`` | a ``prometheus_client.CollectorRegistry()`` of the app's own | |
    | ``namespace`` | what each name begins with | ``"shallot"`` |

    | name, without ``shallot_`` | labels | what |
    |---|---|---|
    | ``requests_total``, ``request_seconds`` | ``method``, ``route``, ``status`` | answers; a handshake is ``WS``, 101; status ``none``: nobody was answered |
    | ``requests_running`` | | without a response yet |
    | ``body_bytes_total``, ``streams_cut_total`` | ``route``, ``direction`` | bodies; streams that did not end whole |
    | ``answers_replaced_total`` | ``route``, ``status`` | what the app sent in place of a response that was counted: its effects failed, or it was none |
    | ``websockets_open`` | ``route`` | conversations now |
    | ``messages_unread`` | | of the clients of all conversations, read ahead of their handlers: who falls behind |
    | ``conversations_total``, ``conversation_seconds`` | ``route``, ``code``, ``by`` | those that ended |
    | ``messages_total``, ``message_bytes_total`` | ``route``, ``direction`` | as they pass |
    | ``messages_dropped_total`` | ``route``, ``direction`` | not sent after the client left; discarded unread |

    ``route`` is the pattern of the row, never a path; unknown methods are ``OTHER`` and private close codes ``3xxx`` and ``4xxx``: no client can make more
    series. A stream is counted when it ends. What the app refuses by itself (400, 413, ...) is counted too, without its time.

    WebSocket: the handshake is a request, the conversation is measured by a tap.

    >>> from prometheus_client import CollectorRegistry
    >>> wrap_metrics(CollectorRegistry()).spec["name"]
    'wrap_metrics'
    """
    if not isinstance(registry, CollectorRegistry):  # pyright: ignore[reportUnnecessaryIsInstance]  # whoever has no checker
        raise TypeError(f"wrap_metrics: registry must be a prometheus_client.CollectorRegistry(), not {registry!r}")
    meters = Meters(registry, namespace)

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def metrics(handler: Handler, request: Any) -> Response:
            began = perf_counter()
            meters.running.inc()
            try:
                response = await next_middleware(handler, request)
            except BaseException as error:  # a cancellation, too, is an outcome: nobody was answered, or 503
                meters.count_request(request, outcome_of_error(error, request, began))
                raise
            finally:
                meters.running.dec()
            if response["status"] != 101 or "websocket" not in response:
                return with_outcome(response, request, began, partial(meters.count_request, request))
            meters.count_handshake(request, perf_counter() - began)
            opened = partial(meters.count_opening, request)
            tell = partial(meters.count_conversation, request)
            return with_outcome(response, request, began, tell, on_begin=opened, on_message=meters.message_counter(request))

        return metrics

    def on_refusal(response: Response, request: Any) -> Response:
        meters.count_refusal(request, response["status"])
        return response

    setattr(middleware, "on_refusal", on_refusal)  # noqa: B010  # a function has no typed attributes
    return middleware


def metrics_handler(registry: CollectorRegistry) -> Callable[[Any], Coroutine[Any, Any, Response]]:
    """A handler that shows ``registry`` in Prometheus' text format, or in OpenMetrics where it is asked for. Let nobody but your own collector reach it.

    >>> import asyncio
    >>> from prometheus_client import CollectorRegistry
    >>> asyncio.run(metrics_handler(CollectorRegistry())({"headers": {}}))["headers"]["content-type"]
    'text/plain; version=0.0.4; charset=utf-8'
    """

    async def show_metrics(request: Any) -> Response:
        encode, content_type = choose_encoder(request["headers"].get("accept", "text/plain"))
        body: bytes = encode(registry)
        return {"status": 200, "headers": {"content-type": content_type, "content-length": str(len(body)), "cache-control": "no-store"}, "body": body}

    return show_metrics


def _method(request: Mapping[str, Any]) -> str:
    return request["method"] if request["method"] in METHODS else "OTHER"
