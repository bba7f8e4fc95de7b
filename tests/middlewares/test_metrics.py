from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from shallot import build_server, standard_not_found, websocket, ws_send
from shallot.compose import apply_middleware
from shallot.errors import Unavailable, WSDisconnect
from shallot.middlewares.errors import wrap_errors
from shallot.middlewares.metrics import close_label, metrics_handler, route_label, wrap_metrics
from shallot.middlewares.routing import wrap_routes
from shallot.outcomes import Outcome
from shallot.response import text
from shallot.testing import Denied, client, request, virtual_time


@websocket
async def echo(scope: Any, receiver: Any) -> Any:
    try:
        async for message in receiver:
            yield ws_send(message)
    except WSDisconnect as leaving:
        if leaving.code == 4321:
            yield ws_send("too late")


async def hello(request: Any, name: str) -> Any:
    return text("hello")


async def cut(request: Any) -> Any:
    async def chunks() -> Any:
        yield b"abc"
        raise ValueError

    return {"status": 200, "stream": chunks()}


ROUTES = [("/hello/{name}", ["GET", "POST"], hello), ("/echo", ["WS"], echo), ("/cut", ["GET"], cut), ("/fail", ["GET"], lambda request: 1 / 0)]


def build(*inner: Any) -> tuple[Any, CollectorRegistry]:
    registry = CollectorRegistry()
    routes = [*ROUTES, ("/metrics", ["GET"], metrics_handler(registry))]
    return build_server(apply_middleware(wrap_metrics(registry), *inner, wrap_routes(routes))(standard_not_found), max_body_bytes=10), registry


def samples(registry: CollectorRegistry, *names: str) -> dict[str, float]:
    """Those that are not 0, by name and values of labels; of histograms the counts."""
    return {
        " ".join([sample.name.removeprefix("shallot_"), *sample.labels.values()]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.value and not sample.name.endswith(("_created", "_bucket", "_sum")) and (not names or sample.name.removeprefix("shallot_") in names)
    }


async def test_requests() -> None:
    app, registry = build(wrap_errors)
    async with client(app, raise_errors=False) as c:
        for path in ("/hello/ann", "/hello/bob", "/nowhere", "/fail", "/cut"):
            await c.get(path)
        await c.post("/hello/ann", body="abc")
        await c.request("PURGE", "/hello/ann")
        await c.post("/hello/ann", body="much too long")  # refused by the app itself
    assert samples(registry) == {
        "requests_total GET /hello/{name} 200": 2,
        "requests_total POST /hello/{name} 200": 1,
        "requests_total GET - 404": 1,
        "requests_total GET /fail 500": 1,
        "requests_total GET /cut 200": 1,
        "requests_total OTHER - 405": 1,
        "requests_total POST - 413": 1,
        "request_seconds_count GET /hello/{name}": 2,
        "request_seconds_count POST /hello/{name}": 1,
        "request_seconds_count GET -": 1,
        "request_seconds_count GET /fail": 1,
        "request_seconds_count GET /cut": 1,
        "request_seconds_count OTHER -": 1,
        "body_bytes_total /hello/{name} in": 3,
        "body_bytes_total /hello/{name} out": 15,
        "body_bytes_total - out": 9 + 64,
        "body_bytes_total /fail out": 94,
        "body_bytes_total /cut out": 3,
        "streams_cut_total /cut": 1,
    }


async def test_conversations() -> None:
    app, registry = build()
    async with client(app) as c:
        async with c.websocket("/echo") as ws, c.websocket("/echo") as other:
            await ws.send("héy")
            await ws.expect()
            await other.send(b"abc")
            await other.expect()
            assert samples(registry, "websockets_open", "messages_total", "message_bytes_total") == {
                "websockets_open /echo": 2,
                "messages_total /echo in": 2,
                "messages_total /echo out": 2,
                "message_bytes_total /echo in": 7,
                "message_bytes_total /echo out": 7,
            }
            await ws.close(4321)
        with pytest.raises(Denied):
            async with c.websocket("/nowhere"):
                pass
    assert samples(registry, "websockets_open", "conversations_total", "conversation_seconds_count", "requests_total", "messages_dropped_total") == {
        "requests_total WS /echo 101": 2,
        "requests_total WS - 404": 1,
        "conversations_total /echo 4xxx client": 1,
        "conversations_total /echo 1001 client": 1,
        "conversation_seconds_count /echo": 2,
        "messages_dropped_total /echo out": 1,
    }


@virtual_time
async def test_messages_that_wait() -> None:
    go_on = asyncio.Event()

    @websocket
    async def waits(scope: Any, receiver: Any) -> Any:
        await go_on.wait()
        async for _ in receiver:
            yield ws_send("heard")

    registry = CollectorRegistry()
    app = build_server(apply_middleware(wrap_metrics(registry), wrap_routes([("/", ["WS"], waits)]))(standard_not_found))
    async with client(app) as c, c.websocket("/") as first, c.websocket("/") as second:
        for ws in (first, second):
            await ws.send("a")
        await asyncio.sleep(1)  # until somebody reads for the busy handlers
        assert samples(registry, "messages_unread") == {"messages_unread": 2}
        go_on.set()
        for ws in (first, second):
            await ws.expect()
        assert samples(registry, "messages_unread") == {}
    assert samples(registry, "messages_unread") == {}


@pytest.mark.parametrize(("error", "status"), [(ValueError(), "500"), (asyncio.CancelledError(), "none")], ids=repr)
async def test_J1_what_is_raised_passes_on(error: BaseException, status: str) -> None:
    async def broken(request: Any) -> Any:
        assert samples(registry) == {"requests_running": 1}
        raise error

    registry = CollectorRegistry()
    with pytest.raises(type(error)):
        await apply_middleware(wrap_metrics(registry))(broken)(request("GET", "/"))
    assert samples(registry) == {f"requests_total GET - {status}": 1, "request_seconds_count GET -": 1}


@virtual_time
async def test_over_the_time_for_a_response_503_is_counted() -> None:
    async def slow(request: Any) -> Any:
        await asyncio.sleep(61)

    registry = CollectorRegistry()
    async with client(build_server(apply_middleware(wrap_metrics(registry))(slow)), deadline_s=100) as c:
        assert (await c.get("/"))["status"] == 503
    assert samples(registry, "requests_total", "answers_replaced_total") == {"requests_total GET - 503": 1}


@pytest.mark.parametrize(
    ("response", "status"),
    [({"status": 202, "effects": [{"type": "down"}]}, 503), ({"status": 202, "headers": {"a": "\n"}}, 500)],
    ids=["its effect failed", "nobody could send it"],
)
async def test_what_the_app_sends_in_place_of_what_was_counted_is_counted_too(response: Any, status: int) -> None:
    async def down(effect: Any, scope: Any) -> None:
        raise Unavailable("down")

    async def accept(request: Any) -> Any:
        return response

    registry = CollectorRegistry()
    async with client(build_server(apply_middleware(wrap_metrics(registry))(accept), effects={"down": down})) as c:
        assert (await c.get("/"))["status"] == status
    assert samples(registry, "requests_total", "answers_replaced_total") == {"requests_total GET - 202": 1, f"answers_replaced_total - {status}": 1}


async def test_101_without_a_conversation_opens_nothing() -> None:
    async def broken(request: Any) -> Any:
        return {"status": 101}

    registry = CollectorRegistry()
    await apply_middleware(wrap_metrics(registry))(broken)(request("GET", "/"))
    assert samples(registry, "requests_total", "websockets_open", "conversations_total") == {"requests_total GET - 101": 1}


async def test_an_error_is_counted_once() -> None:
    app, registry = build()
    async with client(app) as c:
        assert (await c.get("/fail"))["status"] == 500
    assert samples(registry, "requests_total") == {"requests_total GET /fail 500": 1}


@pytest.mark.parametrize(
    ("accept", "content_type", "last"),
    [
        pytest.param({}, "text/plain; version=0.0.4; charset=utf-8", b"\n", id="Prometheus"),
        pytest.param({"accept": "application/openmetrics-text; version=1.0.0"}, "application/openmetrics-text", b"# EOF\n", id="OpenMetrics"),
    ],
)
async def test_the_page(accept: dict[str, str], content_type: str, last: bytes) -> None:
    app, _ = build()
    async with client(app) as c:
        await c.get("/hello/ann")
        page = await c.get("/metrics", headers=accept)
    assert page["headers"]["content-type"].startswith(content_type)
    assert page["headers"]["cache-control"] == "no-store"
    assert b'shallot_requests_total{method="GET",route="/hello/{name}",status="200"} 1.0' in page["body"] and page["body"].endswith(last)


async def test_two_apps_never_meet() -> None:
    (app, registry), (_, other) = build(), build()
    async with client(app) as c:
        await c.get("/hello/ann")
    assert samples(registry) and not samples(other)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        wrap_metrics(registry)


def test_labels_are_few() -> None:
    labels = {close_label(Outcome(101, 1.0, close={"code": code, "reason": "", "by": "client"}))[0] for code in range(1000, 5000)}
    assert labels == {*map(str, range(1000, 1016)), "1xxx", "2xxx", "3xxx", "4xxx"}
    assert close_label(Outcome(101, 1.0)) == ("1005", "client")
    assert route_label({"path": "/x"}) == "-"


def test_options() -> None:
    with pytest.raises(TypeError, match=r"^wrap_metrics: registry must be a prometheus_client.CollectorRegistry\(\), not None$"):
        wrap_metrics(None)  # type: ignore[arg-type]


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "shallot.middlewares.metrics")
    with pytest.raises(ImportError, match=r"^wrap_metrics needs prometheus-client: pip install 'shallot\[prometheus\]'$"):
        import_module("shallot.middlewares.metrics")
