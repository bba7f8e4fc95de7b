"""wrap_origin: who may open a WebSocket of ours with its visitor's cookies."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from shallot import build_server, standard_not_found, websocket, ws_send
from shallot.compose import apply_middleware
from shallot.middlewares.origin import origin_options, origin_request, wrap_origin
from shallot.middlewares.proxy import wrap_proxy
from shallot.middlewares.routing import wrap_routes
from shallot.testing import Denied, client, request

OWN = "https://a.example"
COOKIE = {"cookie": "session=1"}


def asking(origin: str | None = None, method: str = "WS", scheme: str = "wss", host: str = "a.example", **headers: str) -> Any:
    named = {"host": host, **headers, **({} if origin is None else {"origin": origin})}
    return request(method, "/", headers=named, scheme=scheme)


def is_refused(asked: Any, *origins: Any, **options: Any) -> bool:
    answer: Any = origin_request(asked, origin_options(*origins, **options))
    assert answer is None or answer["status"] == 403
    return answer is not None


@pytest.mark.parametrize("headers", [{}, COOKIE], ids=["no cookie", "a cookie"])
@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "null", "https://a.example:8443", "http://a.example", "https://a.example.evil", "HTTPS://A.EXAMPLE", "https://A.example"),
        *(f"{OWN},{OWN}", f"{OWN} {OWN}", "", "*", "wss://a.example", "https://a.example/", "https://a.example.", "https://á.example", f"{OWN}\n"),
        *("https://a.example@evil.example", "https://xa.example", "https://b.a.example", "file://", "chrome-extension://abcdef"),
    ],
)
async def test_G1_cross_site_websocket(origin: str, headers: Any, caplog: pytest.LogCaptureFixture) -> None:
    ran = []

    async def handler(request: Any) -> Any:
        ran.append(request)
        return {"status": 101, "websocket": {}}

    caplog.set_level(logging.INFO, "shallot.origin")
    answer: Any = await apply_middleware(wrap_origin(["https://b.example"]))(handler)(asking(origin, **headers))
    assert (answer["status"], ran) == (403, [])
    [record] = caplog.records
    assert record.levelname == "INFO"
    assert f"the origin {origin!r} was refused; ours is '{OWN}'" in record.getMessage()


@pytest.mark.parametrize(
    ("origin", "scheme", "host"),
    [
        (OWN, "wss", "a.example"),
        (OWN, "wss", "A.example:443"),
        (OWN, "https", "a.example"),
        ("http://a.example:8000", "ws", "a.example:8000"),
        ("http://a.example", "ws", "a.example:80"),
        ("http://[::1]:8000", "ws", "[0::1]:8000"),
        ("https://a.example.", "wss", "a.example."),
        ("https://b.example", "wss", "a.example"),
        ("https://x.c.example:8443", "wss", "a.example"),
    ],
)
@pytest.mark.parametrize("headers", [{}, COOKIE], ids=["no cookie", "a cookie"])
def test_our_own_and_those_named_may(origin: str, scheme: str, host: str, headers: Any) -> None:
    assert not is_refused(asking(origin, "WS", scheme, host, **headers), ["https://b.example", "https://*.c.example:8443"])


@pytest.mark.parametrize(
    ("absent", "refused"),
    [("without_cookie", (False, True, False)), ("allow", (False, False, False)), ("deny", (True, True, True))],
)
def test_G1_without_origin(absent: Any, refused: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "shallot.origin")
    asked = [asking(), asking(**COOKIE), asking(authorization="Bearer t")]
    assert tuple(is_refused(one, absent=absent) for one in asked) == refused
    assert [record.getMessage() for record in caplog.records] == ["a request without origin was refused"] * sum(refused)


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),
        ({"authorization": "Bearer t"}, False),
        ({"authorization": "Basic YTpi"}, True),
        ({"authorization": "Negotiate x"}, True),
        (COOKIE, True),
        ({**COOKIE, "authorization": "Bearer t"}, True),
    ],
)
def test_only_where_a_browser_adds_something_by_itself(headers: Any, refused: bool) -> None:
    assert is_refused(asking("https://evil.example", **headers), only_with_cookie=True) is refused
    assert not is_refused(asking(OWN, **headers), only_with_cookie=True)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "PURGE"])
def test_http_on_request(method: str) -> None:
    asked = asking("https://evil.example", method, "https")
    assert not is_refused(asked)
    assert is_refused(asked, unsafe_methods=True) is (method not in ("GET", "HEAD", "OPTIONS", "TRACE"))
    assert not is_refused(asking(OWN, method, "https"), unsafe_methods=True)


@pytest.mark.parametrize("asked", [asking("null"), asking("https://evil.example", **COOKIE)])
@pytest.mark.parametrize("everybody", ["*", ["*"], ("*",)])
def test_everybody_may(asked: Any, everybody: Any) -> None:
    assert not is_refused(asked, everybody)


def test_a_host_that_is_none_is_nobodys_origin() -> None:
    assert is_refused(asking("https://a b", host="a b"))
    assert is_refused({"method": "WS", "headers": {"origin": "http://a.example"}})


async def test_behind_a_proxy_that_ends_tls() -> None:
    async def handler(request: Any) -> Any:
        return {"status": 200}

    asked = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.1"}
    without: Any = await apply_middleware(wrap_origin())(handler)(asking(OWN, scheme="ws", **asked))
    behind: Any = await apply_middleware(wrap_proxy(1), wrap_origin())(handler)(asking(OWN, scheme="ws", **asked))
    assert (without["status"], behind["status"]) == (403, 200)


@websocket
async def greet(scope: Any, receiver: Any) -> Any:
    yield ws_send("hi")


async def test_a_row_may_name_its_own() -> None:
    routes = [
        ("/", ["WS"], greet),
        ("/b", ["WS"], greet, {"origins": ["https://b.example"]}),
        ("/all", ["WS"], greet, {"origins": "*"}),
    ]
    app = build_server(apply_middleware(wrap_routes(routes), wrap_origin(["https://c.example"]))(standard_not_found))
    let_in = []
    async with client(app) as c:
        for path in ("/", "/b", "/all", "/none"):
            for origin in ("https://b.example", "https://c.example", "null"):
                try:
                    async with c.websocket(path, headers={"origin": origin}) as ws:
                        assert await ws.expect() == "hi"
                        let_in.append((path, origin))
                except Denied as denied:
                    assert denied.response["status"] == (404 if (path, origin) == ("/none", "https://c.example") else 403)
    assert let_in == [
        ("/", "https://c.example"),
        ("/b", "https://b.example"),
        *(("/all", origin) for origin in ("https://b.example", "https://c.example", "null")),
    ]


LIKE = "origins are like 'https://example.org:8443' or 'https://*.example.org', in lower case without a path, not "


@pytest.mark.parametrize(
    ("origins", "options", "kind", "error"),
    [
        (["a.org"], {}, ValueError, f"wrap_origin: {LIKE}'a.org'"),
        (["*", "https://a.org"], {}, ValueError, f"wrap_origin: {LIKE}'*'"),
        ("https://a.org", {}, TypeError, "wrap_origin: origins must be a collection of origins, not the str 'https://a.org'; write ['https://a.org']"),
        (None, {}, TypeError, "wrap_origin: origins must be a collection of origins, or '*', not None"),
        ([], {"absent": "maybe"}, ValueError, "wrap_origin: absent is one of without_cookie, allow, deny; not 'maybe'"),
    ],
)
def test_wrong_options_are_found_at_build_time(origins: Any, options: Any, kind: type[Exception], error: str) -> None:
    with pytest.raises(kind) as caught:
        wrap_origin(origins, **options)
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("pile", "error"),
    [
        (lambda routes: [wrap_routes(routes), wrap_origin()], f"wrap_origin: the row '/a': {LIKE}'a.org'"),
        (lambda routes: [wrap_origin(), wrap_routes(routes)], "wrap_origin: the row '/a' has origins, which only a wrap_origin inside wrap_routes sees; "),
    ],
)
def test_wrong_rows_are_found_at_build_time(pile: Any, error: str) -> None:
    with pytest.raises(ValueError) as caught:
        apply_middleware(*pile([("/", ["WS"], greet), ("/a", ["WS"], greet, {"origins": ["a.org"]})]))(standard_not_found)
    assert str(caught.value).startswith(error)


def test_rows_without_origins_are_nobodys_business() -> None:
    apply_middleware(wrap_origin(), wrap_routes([("/", ["WS"], greet)]), wrap_origin())(standard_not_found)
