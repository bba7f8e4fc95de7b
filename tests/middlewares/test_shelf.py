"""The whole shelf, one by one: over HTTP, over a WebSocket that is accepted, and over one that is denied (G2). Each keeps the contract, and leaves nothing.

What a middleware adds is what is there with it and not without it: keys of the request, headers of the answer. tests/conftest.py looks for tasks,
generators, threads and files that are left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, NamedTuple

import pytest
from prometheus_client import CollectorRegistry

import shallot.middlewares as shelf
from shallot import build_server, websocket, ws_send
from shallot.middlewares import apply_middleware, lint_layers
from shallot.testing import Denied, client
from shallot.testing import request as a_request

HERE = Path(__file__).parent
KEY = token_urlsafe(32)


class Case(NamedTuple):
    """A middleware, and what it adds."""

    build: Callable[[], Any]
    keys: Sequence[str] = ()
    """Of the request, the same for HTTP and for a WebSocket."""
    headers: Sequence[str] = ()
    """Of an answer, a denial included."""
    handshake: Sequence[str] | None = None
    """Of the answer that accepts a WebSocket; ``None``: the same."""
    outside: Sequence[Callable[[], Any]] = ()
    """Layers that it needs around it."""
    http: Sequence[str] | None = None
    """Of an HTTP answer, where a denial has others."""
    refuses: tuple[Mapping[str, str], int, int] | None = None
    """Request headers with which it refuses, and the status of an HTTP answer and of a denial."""


def session() -> Any:
    return shelf.wrap_session(keys=KEY)


def proxy() -> Any:
    return shelf.wrap_proxy(1)


def by_program(request: Any) -> Any:
    return None if "user-agent" in request["headers"] else "ann"


HEADERS = ["content-security-policy", "cross-origin-opener-policy", "cross-origin-resource-policy", "referrer-policy", "strict-transport-security",
           "x-content-type-options", "x-frame-options"]  # fmt: skip

CASES: Mapping[str, Case] = {
    "wrap_accept": Case(lambda: shelf.wrap_accept(types=["text/html"], languages=["en"]), keys=["accepted_type", "accepted_language"], headers=["vary"]),
    "wrap_access_log": Case(shelf.wrap_access_log),
    "wrap_auth": Case(
        lambda: shelf.wrap_auth(by_program, default=True),
        keys=["identity"],
        refuses=({"user-agent": "robot"}, 401, 401),
    ),
    "wrap_body_limit": Case(lambda: shelf.wrap_body_limit(max_bytes=1000)),
    "wrap_compress": Case(lambda: shelf.wrap_compress(["gzip"]), http=["vary"]),
    "wrap_connection_limit": Case(shelf.wrap_connection_limit),
    "wrap_content_type": Case(shelf.wrap_content_type, headers=["content-type"], handshake=[]),
    "wrap_cookies": Case(shelf.wrap_cookies, keys=["cookies"]),
    "wrap_cors": Case(lambda: shelf.wrap_cors(["https://a.org", "https://b.org"]), headers=["vary"]),
    "wrap_csrf": Case(shelf.wrap_csrf, outside=[session]),
    "wrap_errors": Case(shelf.wrap_errors),
    "wrap_flash": Case(shelf.wrap_flash, outside=[session]),
    "wrap_head": Case(shelf.wrap_head),
    "wrap_hosts": Case(lambda: shelf.wrap_hosts(["localhost"]), refuses=({"host": "evil.example"}, 400, 400)),
    "wrap_https": Case(shelf.wrap_https, outside=[proxy], refuses=({"x-forwarded-proto": "http"}, 308, 403)),
    "wrap_inflate": Case(shelf.wrap_inflate),
    "wrap_json": Case(shelf.wrap_json, keys=["json"]),
    "wrap_lint": Case(shelf.wrap_lint),
    "wrap_metrics": Case(lambda: shelf.wrap_metrics(CollectorRegistry())),
    "wrap_multipart": Case(shelf.wrap_multipart, keys=["files", "form_params"]),
    "wrap_not_modified": Case(shelf.wrap_not_modified, http=["etag"]),
    "wrap_origin": Case(lambda: shelf.wrap_origin(unsafe_methods=True), refuses=({"origin": "https://evil.example"}, 403, 403)),
    "wrap_parameters": Case(shelf.wrap_parameters, keys=["form_params", "params", "query_params"]),
    "wrap_proxy": Case(proxy),
    "wrap_rate_limit": Case(lambda: shelf.wrap_rate_limit(headers=True), headers=["ratelimit", "ratelimit-policy"]),
    "wrap_request_id": Case(shelf.wrap_request_id, keys=["request_id"], headers=["x-request-id"]),
    "wrap_routes": Case(lambda: shelf.wrap_routes([("/", ["GET", "WS"], answer)]), keys=["path_params", "route"]),
    "wrap_security_headers": Case(shelf.wrap_security_headers, headers=HEADERS),
    "wrap_session": Case(session, keys=["session"], headers=["set-cookie", "vary", "cache-control"], handshake=["set-cookie"]),
    "wrap_static": Case(lambda: shelf.wrap_static(HERE)),
    "wrap_timeout": Case(shelf.wrap_timeout),
    "wrap_trace": Case(shelf.wrap_trace),
    "wrap_transcript": Case(lambda: shelf.wrap_transcript([].append)),
}

ELSEWHERE = {"wrap_defaults": "is no layer, it composes them: test_defaults.py"}


def look_at(request: Any) -> None:
    request["config"]["seen"].append(set(request))
    if "session" in request:
        request["session"]["looked"] = True  # a cookie, on whatever the answer is


async def greet(scope: Any) -> Any:
    look_at(scope)
    return {"status": 401, "body": b"no"} if "x-deny" in scope["headers"] else {"type": "websocket.accept"}


@websocket(on_connect=greet)
async def echo(scope: Any, receiver: Any) -> Any:
    async for message in receiver:
        yield ws_send(message)


async def answer(request: Any) -> Any:
    if request["type"] == "websocket":
        return await echo(request)
    look_at(request)
    return {"status": 200, "body": b"hello"}


class Seen(NamedTuple):
    """What the handler saw of the request, and the client of the answer."""

    keys: set[str]
    headers: set[str]
    status: int
    body: Any


async def ask(way: str, case: Case, *, bare: bool = False, headers: Mapping[str, str] | None = None) -> Seen:
    layers = [*(build() for build in case.outside), *([] if bare else [case.build()])]
    seen: list[set[str]] = []
    app = build_server(apply_middleware(*lint_layers(*layers))(answer), on_start=lambda context: {"seen": seen})
    sent = {"host": "localhost", "origin": "https://localhost", "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https", **(headers or {})}
    async with client(app, scheme="https", headers=sent) as c:
        if way in ("http", "post"):
            told = await c.request("GET" if way == "http" else "POST", "/")
            return Seen(seen.pop() if seen else set(), set(told["headers"]), told["status"], told["body"])
        try:
            async with c.websocket("/", headers={"x-deny": "1"} if way == "denied" else {}) as ws:
                await ws.send("hello")
                return Seen(seen.pop(), set(ws.accepted["headers"]), 101, await ws.expect())
        except Denied as denied:
            told = denied.response
            return Seen(seen.pop() if seen else set(), set(told["headers"]), told["status"], told["body"])


WAYS = {"http": (200, b"hello"), "accepted": (101, "hello"), "denied": (401, b"no")}


def test_the_table_is_the_whole_shelf() -> None:
    assert {name for name in shelf.__all__ if name.startswith("wrap_")} == {*CASES, *ELSEWHERE}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CASES)
async def test_G2_every_middleware_over_http_and_over_a_websocket(name: str, way: str) -> None:
    case = CASES[name]
    without, told = await ask(way, case, bare=True), await ask(way, case)
    assert (told.status, told.body) == WAYS[way]
    assert without.keys <= told.keys
    assert told.keys - without.keys == set(case.keys)
    expected = {"http": case.http, "accepted": case.handshake, "denied": None}[way]
    assert told.headers - without.headers == set(case.headers if expected is None else expected)
    assert without.headers <= told.headers


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.refuses])
async def test_G2_what_refuses_a_request_denies_a_websocket(name: str) -> None:
    case = CASES[name]
    assert case.refuses
    headers, over_http, over_websocket = case.refuses
    for way, status in (("post", over_http), ("accepted", over_websocket)):
        told = await ask(way, case, headers=headers)
        assert (way, told.status, told.keys) == (way, status, set())


# ---- cancelled at every await

FORM = b'--x\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\nsome bytes\r\n--x--\r\n'
FORM_HEADERS = {"content-type": "multipart/form-data; boundary=x", "content-length": str(len(FORM)), "sec-fetch-site": "same-origin"}


async def in_turn(function: Callable[..., Any], *args: Any) -> Any:
    """Stands for the app's threads: lets others run before and after."""
    await asyncio.sleep(0)
    result = function(*args)
    await asyncio.sleep(0)
    return result


async def slow(request: Any) -> Any:
    """Waits three times, and cleans up at the end, which takes time too."""
    try:
        for _ in range(3):
            await asyncio.sleep(0)
        return await answer(request)
    finally:
        await asyncio.sleep(0)


def request_for(way: str) -> Any:
    sent = {"host": "localhost", "origin": "https://localhost", "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https"}
    own = {"scheme": "wss" if way == "WS" else "https", "client": ("127.0.0.1", 5), "config": {"seen": []}, "run_in_thread": in_turn}
    asked = a_request(way, "/", headers={**sent, **(FORM_HEADERS if way == "POST" else {})}, body=FORM if way == "POST" else b"", **own)
    return {key: value for key, value in asked.items() if key not in ("json", "params", "query_params", "form_params", "cookies", "path_params")}


@pytest.mark.parametrize("way", ["POST", "WS"])
@pytest.mark.parametrize("name", CASES)
async def test_J1_a_cancellation_always_leaves(name: str, way: str) -> None:
    case = CASES[name]
    build = {"wrap_routes": lambda: shelf.wrap_routes([("/", ["POST", "WS"], slow)]), "wrap_multipart": lambda: shelf.wrap_multipart(spool_bytes=1)}
    composed = apply_middleware(*(build() for build in case.outside), build.get(name, case.build)())(slow)
    for point in range(100):
        task = asyncio.ensure_future(composed(request_for(way)))
        for _ in range(point + 1):
            await asyncio.sleep(0)
        if task.done():
            break
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), f"cancelled at await {point}: {task}"
    response = await task
    assert response["status"] in (200, 101)
    assert point >= 4
