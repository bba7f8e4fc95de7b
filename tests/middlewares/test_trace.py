from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shallot import build_server, standard_not_found, websocket, ws_close, ws_send
from shallot.compose import apply_middleware
from shallot.middlewares.errors import wrap_errors
from shallot.middlewares.request_id import wrap_request_id
from shallot.middlewares.routing import wrap_routes
from shallot.middlewares.trace import request_attributes, span_name, wrap_trace
from shallot.response import text
from shallot.testing import Denied, client, request

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


class Recorder:
    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> list[Any]:
        return list(self.exporter.get_finished_spans())


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def build(recorder: Recorder, *outer: Any, **options: Any) -> Any:
    tracer = recorder.provider.get_tracer("app")

    async def hello(request: Any, name: str) -> Any:
        with tracer.start_as_current_span("inner"):
            return text("hello")

    async def stream(request: Any) -> Any:
        async def chunks() -> Any:
            yield b"abc"
            yield b"def"

        return {"status": 200, "stream": chunks()}

    @websocket
    async def echo(scope: Any, receiver: Any, room: str) -> Any:
        async for message in receiver:
            with tracer.start_as_current_span("inner"):
                pass
            yield ws_send(message)
            if message == "fail":
                raise ValueError
            if message == "exit":
                yield ws_close(1011)

    routes = [
        ("/hello/{name}", ["GET", "PURGE"], hello),
        ("/stream", ["GET"], stream),
        ("/fail", ["GET"], lambda request: {}["x"]),
        ("/echo/{room}", ["WS"], echo),
    ]
    pile = apply_middleware(wrap_request_id, *outer, wrap_trace(tracer_provider=recorder.provider, **options), wrap_routes(routes))
    return build_server(pile(standard_not_found))


async def test_a_request(recorder: Recorder) -> None:
    async with client(build(recorder)) as c:
        answer = await c.get("/hello/ann", headers=TRACEPARENT, query={"token": "secret"})
    inner, span = recorder.spans
    assert (span.name, span.kind, span.status.status_code) == ("GET /hello/{name}", trace.SpanKind.SERVER, trace.StatusCode.UNSET)
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/hello/ann",
        "client.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "http.route": "/hello/{name}",
        "http.response.status_code": 200,
        "http.response.body.size": 5,
        "shallot.request_id": answer["headers"]["x-request-id"],
    }
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert inner.parent.span_id == span.context.span_id
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_nobody_is_trusted(recorder: Recorder) -> None:
    async with client(build(recorder, trust=False)) as c:
        await c.get("/hello/ann", headers=TRACEPARENT)
    assert recorder.spans[1].parent is None


async def test_a_stream_is_over_at_its_end(recorder: Recorder) -> None:
    async with client(build(recorder)) as c:
        await c.get("/stream")
        async with c.stream("GET", "/stream") as answer:
            await anext(aiter(answer))
    whole, left = recorder.spans
    assert (whole.attributes["http.response.body.size"], whole.attributes.get("error.type")) == (6, None)
    assert left.name == "GET /stream"


async def test_an_error_is_an_event(recorder: Recorder) -> None:
    async with client(build(recorder, wrap_errors)) as c:
        assert (await c.get("/fail"))["status"] == 500
    [span] = recorder.spans
    assert (span.status.status_code, span.attributes["error.type"], span.attributes["http.response.status_code"]) == (trace.StatusCode.ERROR, "KeyError", 500)
    assert [(event.name, event.attributes["exception.type"]) for event in span.events] == [("exception", "KeyError")]


async def test_an_answer_of_500_is_an_error_and_404_is_none(recorder: Recorder) -> None:
    async def broken(request: Any) -> Any:
        return text("sorry", request["status"])

    pile = apply_middleware(wrap_trace(tracer_provider=recorder.provider))(broken)
    for status in (404, 503):
        await pile(request("GET", "/", status=status))
    assert [(span.name, span.status.status_code.name, span.attributes.get("error.type")) for span in recorder.spans] == [
        ("GET", "UNSET", None),
        ("GET", "ERROR", "503"),
    ]


async def test_a_file_s_length_is_not_known(recorder: Recorder) -> None:
    async def download(request: Any) -> Any:
        return {"status": 200, "file": "x"}

    await apply_middleware(wrap_trace(tracer_provider=recorder.provider))(download)(request("GET", "/"))
    assert "http.response.body.size" not in recorder.spans[0].attributes


async def test_101_without_a_conversation_is_over_at_once(recorder: Recorder) -> None:
    async def broken(request: Any) -> Any:
        return {"status": 101}

    await apply_middleware(wrap_trace(tracer_provider=recorder.provider))(broken)(request("GET", "/"))
    assert [span.name for span in recorder.spans] == ["GET"]


async def test_J1_a_cancellation_passes_on(recorder: Recorder) -> None:
    async def broken(request: Any) -> Any:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await apply_middleware(wrap_trace(tracer_provider=recorder.provider))(broken)(request("GET", "/"))
    [span] = recorder.spans
    assert (span.status.status_code.name, span.attributes["error.type"]) == ("UNSET", "CancelledError")
    assert "http.response.status_code" not in span.attributes


@pytest.mark.parametrize(
    ("message", "code", "by", "status"),
    [("hi", 4000, "client", "UNSET"), ("exit", 1011, "server", "ERROR"), ("fail", 1011, "server", "ERROR")],
)
async def test_a_conversation(message: str, code: int, by: str, status: str, recorder: Recorder) -> None:
    async with client(build(recorder)) as c, c.websocket("/echo/lobby", headers=TRACEPARENT) as ws:
        await ws.send(message)
        await ws.expect()
        await (ws.close(4000) if by == "client" else ws.expect_close())
    handshake, inner, span = recorder.spans
    assert (handshake.name, handshake.kind, handshake.attributes["http.request.method"]) == ("WS /echo/{room}", trace.SpanKind.SERVER, "GET")
    assert (handshake.attributes["http.response.status_code"], f"{handshake.context.trace_id:032x}") == (101, TRACE)
    assert (span.name, span.kind, span.status.status_code.name) == ("conversation WS /echo/{room}", trace.SpanKind.INTERNAL, status)
    assert (span.parent.span_id, inner.parent.span_id) == (handshake.context.span_id, span.context.span_id)
    told = {name.removeprefix("shallot.websocket."): value for name, value in span.attributes.items() if "websocket" in name}
    size = len(message)
    assert told == {"close_code": code, "closed_by": by, "messages_in": 1, "messages_out": 1, "bytes_in": size, "bytes_out": size}
    assert span.attributes.get("error.type") == ("1011" if status == "ERROR" else None)


async def test_a_denial_is_a_request(recorder: Recorder) -> None:
    async with client(build(recorder)) as c:
        with pytest.raises(Denied):
            async with c.websocket("/nowhere"):
                pass
    [span] = recorder.spans
    assert (span.name, span.attributes["http.response.status_code"]) == ("WS", 404)


def test_methods_that_nobody_knows() -> None:
    ask = {"type": "http", "method": "PURGE\n", "path": "/"}
    assert span_name(ask) == "HTTP"
    attributes = request_attributes(ask)
    assert (attributes["http.request.method"], attributes["http.request.method_original"]) == ("_OTHER", r"PURGE\x0a")


async def test_without_an_sdk_it_costs_no_error() -> None:
    async def hello(request: Any) -> Any:
        return text("hello")

    assert (await apply_middleware(wrap_trace)(hello)(request("GET", "/", headers=TRACEPARENT)))["status"] == 200


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "shallot.middlewares.trace")
    with pytest.raises(ImportError, match=r"^wrap_trace needs opentelemetry-api: pip install 'shallot\[otel\]'$"):
        import_module("shallot.middlewares.trace")
