from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from shallot import build_server, standard_not_found, websocket, ws_send
from shallot.codec.headers import format_headers
from shallot.compose import apply_middleware
from shallot.middlewares.rate_limit import (
    Verdict,
    client_key,
    identity_key,
    message_tap,
    parse_rates,
    rate_limit_response,
    redis_rates,
    wrap_rate_limit,
)
from shallot.middlewares.routing import wrap_routes
from shallot.rates import MemoryRates, Window
from shallot.response import text
from shallot.testing import Denied, client, request, virtual_time


async def hello(request: Any) -> Any:
    return text("hello")


@websocket
async def echo(scope: Any, receiver: Any) -> Any:
    async for message in receiver:
        yield ws_send(message)


async def statuses(pile: Any, count: int, **keys: Any) -> list[int]:
    return [(await pile(request("GET", "/", **keys)))["status"] for _ in range(count)]


@virtual_time
async def test_too_many_requests() -> None:
    pile = apply_middleware(wrap_rate_limit("2/minute"))(hello)
    assert await statuses(pile, 3, client=("203.0.113.7", 1)) == [200, 200, 429]
    refused: Any = await pile(request("GET", "/", client=("203.0.113.7", 2)))
    assert refused["headers"]["content-type"] == "application/problem+json"
    assert await statuses(pile, 1, client=("203.0.113.8", 1)) == [200], "another client"
    await asyncio.sleep(int(refused["headers"]["retry-after"]) + 31)
    assert await statuses(pile, 1, client=("203.0.113.7", 1)) == [200]


@virtual_time
async def test_all_rates_hold() -> None:
    pile = apply_middleware(wrap_rate_limit("2/second; 3/hour"))(hello)
    assert await statuses(pile, 3) == [200, 200, 429]
    await asyncio.sleep(2)
    assert await statuses(pile, 2) == [200, 429]


@virtual_time
async def test_two_apps_never_meet() -> None:
    layer = wrap_rate_limit("1/minute")
    assert [await statuses(apply_middleware(layer)(hello), 2) for _ in range(2)] == [[200, 429], [200, 429]]


@pytest.mark.parametrize(
    ("client_", "key"),
    [
        (("203.0.113.7", 5), "203.0.113.7"),
        (("2001:db8:1:2:3:4:5:6", 5), "2001:db8:1:2::"),
        (("2001:db8:1:2:ffff::1", 5), "2001:db8:1:2::"),
        (("::ffff:203.0.113.7", 5), "203.0.113.7"),
        (("fe80::1%eth0", 5), "fe80::"),
        (("testclient", 5), "testclient"),
        (None, ""),
    ],
)
def test_addresses(client_: Any, key: str) -> None:
    assert client_key({"client": client_}) == key


@pytest.mark.parametrize(
    ("key", "requests", "expected"),
    [
        pytest.param("identity", [{"identity": "ann"}, {"identity": "bob"}, {"identity": "ann"}], [200, 200, 429], id="identities"),
        pytest.param("identity", [{}, {"identity": 1}, {}], [200, 200, 429], id="nobody is counted by address"),
        pytest.param(lambda request: request["user"], [{"user": "a"}, {"user": "b"}, {"user": "a"}], [200, 200, 429], id="a function"),
        pytest.param(lambda request: None, [{}, {}], [200, 200], id="not counted"),
    ],
)
@virtual_time
async def test_who_is_counted(key: Any, requests: Any, expected: list[int]) -> None:
    pile = apply_middleware(wrap_rate_limit("1/hour", key=key))(hello)
    assert [(await pile(request("GET", "/", **keys)))["status"] for keys in requests] == expected


@pytest.mark.parametrize("identity", [{"id": 1}, True, 1.5])
def test_an_identity_that_is_no_key(identity: Any) -> None:
    kind = type(identity).__name__
    message = f"wrap_rate_limit: key='identity' needs a str or an int in request['identity'], not a {kind}; give a function of the request as key"
    with pytest.raises(TypeError) as told:
        identity_key({"identity": identity})
    assert str(told.value) == message


STRICT = {"strict": "1/hour"}
ROUTES = [
    ("/plain", ["GET"], hello),
    ("/login", ["GET"], hello, {"rate_limit": "strict"}),
    ("/reset", ["GET"], hello, {"rate_limit": "strict"}),
    ("/own", ["GET"], hello, {"rate_limit": "2/hour"}),
    ("/other", ["GET"], hello, {"rate_limit": "2/hour"}),
    ("/free", ["GET"], hello, {"rate_limit": None}),
    ("/echo", ["WS"], echo, {"rate_limit": None}),
    ("/slow", ["WS"], echo, {"rate_limit": None, "message_rate": "1/minute"}),
    ("/fast", ["WS"], echo, {"rate_limit": None, "message_rate": None}),
]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["/plain"] * 4, [200, 200, 200, 429]),
        (["/login", "/reset", "/login", "/plain"], [200, 429, 429, 200]),
        (["/own", "/own", "/other", "/own"], [200, 200, 200, 429]),
        (["/free"] * 9, [200] * 9),
    ],
    ids=["the common rate", "one name, one count", "a row's own", "none"],
)
@virtual_time
async def test_rows(paths: list[str], expected: list[int]) -> None:
    app = build_server(apply_middleware(wrap_routes(ROUTES), wrap_rate_limit("3/hour", rates=STRICT))(standard_not_found))
    async with client(app) as c:
        assert [(await c.get(path))["status"] for path in paths] == expected


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"rate_limit": "strickt"}, "wrap_rate_limit: rate_limit of /a: a rate is like '10/second'"),
        ({"message_rate": "often"}, "wrap_rate_limit: message_rate of /a: a rate is like '10/second'"),
    ],
    ids=["a rate", "a rate of messages"],
)
def test_a_row_with_a_slip_is_found_at_the_start(data: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        apply_middleware(wrap_routes([("/a", ["GET"], hello, data)]), wrap_rate_limit(None, rates=STRICT))(standard_not_found)


@pytest.mark.parametrize("key", ["rate_limit", "message_rate"])
def test_a_row_whose_rate_nobody_reads_is_found_at_the_start(key: str) -> None:
    """A login would else have the rate of all others, and nobody would know."""
    routes = wrap_routes([("/login", ["GET"], hello, {key: "1/hour"})])
    with pytest.raises(ValueError, match=f"^wrap_rate_limit: the row '/login' has {key}, which only a wrap_rate_limit inside wrap_routes sees; put it behind$"):
        apply_middleware(wrap_rate_limit(), routes)(standard_not_found)
    apply_middleware(wrap_rate_limit(), routes, wrap_rate_limit(None))(standard_not_found)


@virtual_time
async def test_a_handshake_is_a_request() -> None:
    app = build_server(apply_middleware(wrap_rate_limit("1/hour"))(echo))
    async with client(app) as c:
        async with c.websocket("/"):
            pass
        with pytest.raises(Denied) as denied:
            async with c.websocket("/"):
                pass
        assert denied.value.response["status"] == 429
        assert int(denied.value.response["headers"]["retry-after"]) > 0


@virtual_time
async def test_H10_message_flood() -> None:
    app = build_server(apply_middleware(wrap_routes(ROUTES), wrap_rate_limit(None, rates=STRICT))(standard_not_found))
    async with client(app) as c, c.websocket("/echo") as ws:
        for _ in range(101):
            await ws.send("x")
        assert [await ws.expect() for _ in range(100)] == ["x"] * 100
        assert await ws.expect_close() == {"code": 1008, "reason": "too many messages"}


@virtual_time
async def test_messages_are_saved_up_again() -> None:
    app = build_server(apply_middleware(wrap_routes(ROUTES), wrap_rate_limit(None, rates=STRICT, messages="2/10 seconds; 100/hour"))(standard_not_found))
    async with client(app, deadline_s=60) as c, c.websocket("/echo") as ws:
        for _ in range(6):
            await ws.send(b"x")
            assert await ws.expect() == b"x"
            await asyncio.sleep(5)


@virtual_time
async def test_messages_by_row() -> None:
    app = build_server(apply_middleware(wrap_routes(ROUTES), wrap_rate_limit(None, rates=STRICT, messages="3/hour"))(standard_not_found))
    async with client(app) as c:
        for path, most in (("/slow", 1), ("/echo", 3), ("/fast", 50)):
            async with c.websocket(path) as ws:
                for _ in range(most):
                    await ws.send("x")
                    assert await ws.expect() == "x"
                if path != "/fast":
                    await ws.send("x")
                    assert (await ws.expect_close())["code"] == 1008
    off = build_server(apply_middleware(wrap_rate_limit(None, messages=None))(echo))
    async with client(off) as c, c.websocket("/") as ws:
        for _ in range(150):
            await ws.send("x")
            await ws.expect()


def test_only_the_client_s_messages_count() -> None:
    tap = message_tap(parse_rates("1/minute"), lambda: 0.0)
    timer = {"type": "timer.fired"}
    assert [tap["message"]({}, timer) for _ in range(3)] == [timer] * 3
    assert tap["message"]({}, "x") == "x"


@virtual_time
async def test_headers_tell_what_is_left() -> None:
    now = asyncio.get_running_loop().time()
    await asyncio.sleep(60 - now % 60)
    pile = apply_middleware(wrap_rate_limit("2/minute", headers=True))(hello)
    told = [(await pile(request("GET", "/")))["headers"] for _ in range(3)]
    assert [headers["ratelimit"] for headers in told] == ['"default";r=1;t=60', '"default";r=0;t=61', '"default";r=0;t=61']  # type: ignore[call-overload]
    assert told[0]["ratelimit-policy"] == '"default";q=2;w=60'  # type: ignore[call-overload]
    assert told[2]["retry-after"] == "61"  # type: ignore[call-overload]


def test_a_response_that_passed_is_left_alone() -> None:
    response: Any = {"status": 200}
    assert rate_limit_response(response, Verdict("default", parse_rates("1/day")[0], True)) is response
    assert rate_limit_response(response, Verdict("d", parse_rates("5/day")[0], True, Window(4, 43200, 1, 9)), headers=True)["headers"] == {
        "ratelimit-policy": '"d";q=5;w=86400',
        "ratelimit": '"d";r=2;t=86400',
    }


@pytest.mark.parametrize(
    ("name", "told"),
    [("/users/{number:int}", "/users/{number:int}"), ("/ж", "/%D0%B6"), ("/käse", "/k%C3%A4se"), ('/"', "/%22"), ("/a\\", "/a%5C"), ("100%", "100%25")],
)
def test_names_that_no_quoted_text_can_hold_are_escaped(name: str, told: str) -> None:
    headers: Any = rate_limit_response({"status": 200}, Verdict(name, parse_rates("5/day")[0], True, Window(0, 0, 1, 9)), headers=True)["headers"]
    assert headers == {"ratelimit-policy": f'"{told}";q=5;w=86400', "ratelimit": f'"{told}";r=4;t=86400'}
    format_headers(headers)


class Broken(MemoryRates):
    """A store that is down, or hangs."""

    error: Exception | None = OSError("no route")

    async def acquire_sliding_window_entry(self, *args: Any, **keywords: Any) -> bool:
        if self.error is not None:
            raise self.error
        await asyncio.sleep(100)
        return True


@asynccontextmanager
async def broken(config: Any) -> AsyncIterator[Broken]:
    yield Broken()


def app_with(store: Any, **options: Any) -> Any:
    return build_server(apply_middleware(wrap_rate_limit("1/hour", store="rates", **options))(hello), resources={"rates": store})


@pytest.mark.parametrize("error", [OSError("no route"), None], ids=["down", "hangs"])
@virtual_time
async def test_a_store_that_is_down(error: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Broken, "error", error)
    async with client(app_with(broken)) as c:
        assert (await c.get("/"))["status"] == 503
    assert caplog.messages == ["answered with 503: \"the store of rates 'rates' does not answer\""]
    caplog.clear()
    async with client(app_with(broken, when_down="allow")) as c:
        assert [(await c.get("/"))["status"] for _ in range(3)] == [200] * 3
    assert caplog.messages == ["the store of rates 'rates' does not answer; requests pass uncounted"]


async def test_a_store_that_nobody_brought(caplog: pytest.LogCaptureFixture) -> None:
    app = build_server(apply_middleware(wrap_rate_limit(store="rates"))(hello))
    async with client(app) as c:
        assert (await c.get("/"))["status"] == 500
    assert "wrap_rate_limit: the app has no resource 'rates'; write build_server(..., resources={'rates': redis_rates('redis://...')})" in caplog.text


def start(command: list[str]) -> subprocess.Popen[str]:
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while server.stdout is not None and "Ready to accept" not in server.stdout.readline():
        assert server.poll() is None, "it ended before it was ready"
    return server


@pytest.mark.needs("redis-server")
async def test_redis(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with start(command) as server:
        try:
            url = f"redis://127.0.0.1:{port}"
            async with client(app_with(redis_rates(url))) as one, client(app_with(redis_rates(url))) as other:
                assert (await one.get("/"))["status"] == 200
                refused = await other.get("/")
                assert (refused["status"], int(refused["headers"]["retry-after"]) > 3500) == (429, True)
                server.terminate()
                server.wait(10)
                assert (await one.get("/"))["status"] == 503
        finally:
            server.kill()


@pytest.mark.parametrize("rate", ["", "ten", "0/second", "5", "5/fortnight", None])
def test_no_rates(rate: Any) -> None:
    with pytest.raises(ValueError) as told:
        parse_rates(rate)
    assert str(told.value) == f"wrap_rate_limit: a rate is like '10/second', '100/10 seconds' or '5/minute; 100/hour', not {rate!r}"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"key": "session"}, "wrap_rate_limit: key is 'client', 'identity' or a function of the request, not 'session'"),
        ({"when_down": "hope"}, "wrap_rate_limit: when_down is 'refuse' or 'allow', not 'hope'"),
        ({"store_s": 0}, "wrap_rate_limit: store_s must be above zero, not 0"),
    ],
)
def test_options(options: Any, complaint: str) -> None:
    with pytest.raises(ValueError) as told:
        wrap_rate_limit(**options)
    assert str(told.value) == complaint


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "limits", None)
    monkeypatch.delitem(sys.modules, "shallot.middlewares.rate_limit")
    with pytest.raises(ImportError, match=r"^wrap_rate_limit needs limits: pip install 'shallot\[ratelimit\]'$"):
        import_module("shallot.middlewares.rate_limit")
