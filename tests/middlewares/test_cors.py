from __future__ import annotations

import time
from inspect import signature
from typing import Any

import pytest

from shallot import build_server, standard_not_found
from shallot.compose import apply_middleware
from shallot.middlewares.cors import cors_options, cors_request, cors_response, wrap_cors
from shallot.middlewares.routing import wrap_routes
from shallot.testing import client

SITE, OTHER = "https://a.com", "https://b.com"


def asking(origin: str | None = None, method: str = "GET", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"type": "http", "method": method, "headers": {**({} if origin is None else {"origin": origin}), **named}}


def preflight(origin: str = SITE, method: str = "PUT", **headers: str) -> Any:
    return asking(origin, "OPTIONS", access_control_request_method=method, **headers)


async def answer(request: Any, *options: Any, response: Any = None, **named: Any) -> Any:
    async def handler(request: Any) -> Any:
        return response or {"status": 200}

    return await apply_middleware(wrap_cors(*options, **named))(handler)(request)


@pytest.mark.parametrize(
    ("options", "request_", "headers"),
    [
        pytest.param([], asking(), {"access-control-allow-origin": "*"}, id="everybody, unasked"),
        pytest.param([], asking(OTHER), {"access-control-allow-origin": "*"}, id="everybody"),
        pytest.param([SITE], asking(), {"access-control-allow-origin": SITE}, id="one, unasked"),
        pytest.param([SITE], asking(OTHER), {"access-control-allow-origin": SITE}, id="one, whoever asks"),
        pytest.param([[SITE]], asking(OTHER), {"access-control-allow-origin": SITE}, id="one in a list"),
        pytest.param([[SITE, OTHER]], asking(OTHER), {"vary": "origin", "access-control-allow-origin": OTHER}, id="one of two"),
        pytest.param([[SITE, OTHER]], asking("https://c.com"), {"vary": "origin"}, id="none of two"),
        pytest.param([[SITE, OTHER]], asking(), {"vary": "origin"}, id="two, unasked"),
        pytest.param([[]], asking(SITE), {"vary": "origin"}, id="nobody"),
        pytest.param(["https://*.a.com"], asking("https://x.a.com"), {"vary": "origin", "access-control-allow-origin": "https://x.a.com"}, id="a label"),
        pytest.param(["https://*.a.com"], asking(SITE), {"vary": "origin"}, id="no label"),
        pytest.param(["https://*.a.com"], asking(), {"vary": "origin"}, id="a label, unasked"),
    ],
)
async def test_who_may_read(options: Any, request_: Any, headers: Any) -> None:
    assert await answer(request_, *options) == {"status": 200, "headers": headers}


@pytest.mark.parametrize(
    "origin",
    ["https://a.com.evil.io", "https://evila.com", "http://a.com", "https://a.com:8443", "null", f"{SITE},{SITE}", f"{SITE} {SITE}", "HTTPS://A.COM", "", "*"],
)
async def test_D16_no_other_origin_is_let_in(origin: str) -> None:
    assert await answer(asking(origin), [SITE, OTHER]) == {"status": 200, "headers": {"vary": "origin"}}


@pytest.mark.parametrize(
    ("origin", "let_in"),
    [
        ("https://x.trusted.com", True),
        ("https://x-1.trusted.com", True),
        ("https://x.y.trusted.com", False),
        ("https://.trusted.com", False),
        ("https://trusted.com", False),
        ("https://trusted.com.attacker.io", False),
        ("https://xtrusted.com", False),
        ("https://xXtrusted.com", False),
        ("https://x.trustedXcom", False),
        ("https://x.trusted.com:8443", False),
        ("http://x.trusted.com", False),
        ("https://attacker.io/.trusted.com", False),
        ("https://attacker.io#.trusted.com", False),
        ("https://x.trusted.com\n", False),
        ("https://", False),
    ],
)
def test_D17_a_pattern_stands_for_one_label(origin: str, let_in: bool) -> None:
    assert cors_options(["https://*.trusted.com", "https://*.other.com:8443"]).allows(origin) is let_in


def test_a_long_origin_costs_nothing() -> None:
    allows = cors_options(["https://*.trusted.com"]).allows
    start = time.process_time()
    assert not allows("https://" + "a.trusted.com" * 100_000)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("response", "headers"),
    [
        pytest.param({"status": 404, "headers": {"x": "1"}}, {"x": "1", "vary": "origin", "access-control-allow-origin": SITE}, id="an error"),
        pytest.param({"status": 200, "headers": {"Vary": "Accept"}}, {"vary": "Accept, origin", "access-control-allow-origin": SITE}, id="other vary"),
        pytest.param({"status": 200, "headers": {"Access-Control-Allow-Origin": "x"}}, {"vary": "origin", "access-control-allow-origin": SITE}, id="replaced"),
        pytest.param({"status": 101, "headers": None, "websocket": {}}, {"vary": "origin", "access-control-allow-origin": SITE}, id="a WebSocket"),
    ],
)
def test_response(response: Any, headers: Any) -> None:
    before = repr(response)
    assert cors_response(response, asking(SITE), cors_options([SITE, OTHER])) == {**response, "headers": headers}
    assert repr(response) == before


async def test_credentials_and_exposed_headers() -> None:
    headers = {"access-control-allow-origin": SITE, "access-control-allow-credentials": "true", "access-control-expose-headers": "x-a, X-B"}
    assert (await answer(asking(SITE), SITE, allow_credentials=True, expose_headers=["x-a", "X-B"]))["headers"] == headers
    assert (await answer(asking(OTHER), [SITE, "https://c.com"], allow_credentials=True))["headers"] == {"vary": "origin"}


VARY = {"vary": "origin, access-control-request-method, access-control-request-headers"}
PUT = {"access-control-allow-methods": "PUT, PATCH", "access-control-max-age": "600"}


@pytest.mark.parametrize(
    ("options", "request_", "headers"),
    [
        pytest.param({"allow_methods": ["PUT", "PATCH"]}, preflight(), {"access-control-allow-origin": "*", **PUT}, id="a method"),
        pytest.param({"allow_methods": ["PUT", "PATCH"]}, preflight(method="POST"), {"access-control-allow-origin": "*", **PUT}, id="a method always allowed"),
        pytest.param({"allow_methods": ["PUT", "PATCH"]}, preflight(method="DELETE"), {}, id="another method"),
        pytest.param({"allow_methods": ["PUT", "PATCH"]}, preflight(method="put"), {}, id="the method in lower case"),
        pytest.param({"allow_methods": ["PUT"]}, preflight(access_control_request_headers="x-a"), {}, id="a header not allowed"),
        pytest.param(
            {"allow_headers": ["X-A", "x-b"], "max_age_s": 0},
            preflight(method="GET", access_control_request_headers="x-b, X-A,content-type,"),
            {
                "access-control-allow-origin": "*",
                "access-control-allow-methods": "GET, HEAD, POST",
                "access-control-allow-headers": "X-A, x-b",
                "access-control-max-age": "0",
            },
            id="headers",
        ),
        pytest.param(
            {"allow_methods": ["PUT", "PATCH"]},
            preflight(access_control_request_headers="Accept, accept-language, content-language, content-type"),
            {"access-control-allow-origin": "*", **PUT},
            id="headers always allowed",
        ),
        pytest.param(
            {"allow_methods": ["PUT", "PATCH"]},
            preflight(access_control_request_headers=",".join(["accept"] * 64)),
            {"access-control-allow-origin": "*", **PUT},
            id="64 headers",
        ),
        pytest.param({"allow_headers": ["x-a"]}, preflight(method="GET", access_control_request_headers=",".join(["x-a"] * 65)), {}, id="65 headers"),
        pytest.param({"allow_headers": ["x-a"]}, preflight(method="GET", access_control_request_headers=",".join(["x-a"] * 200)), {}, id="200 headers"),
        pytest.param(
            {"allow_origin": [SITE, OTHER], "allow_methods": ["PUT", "PATCH"], "allow_credentials": True},
            preflight(),
            {"access-control-allow-origin": SITE, "access-control-allow-credentials": "true", **PUT},
            id="one of two origins",
        ),
        pytest.param({"allow_origin": [SITE, OTHER], "allow_methods": ["PUT"]}, preflight("https://c.com"), {}, id="another origin"),
        pytest.param({"allow_origin": SITE, "allow_methods": ["PUT"]}, preflight(OTHER), {}, id="another than the only one"),
    ],
)
async def test_D18_preflights_are_answered_without_the_handler(options: Any, request_: Any, headers: Any) -> None:
    assert await answer(request_, **options, response={"status": 500}) == {"status": 204, "headers": {**headers, **VARY}}


@pytest.mark.parametrize(
    ("options", "request_"),
    [
        pytest.param({}, preflight(), id="nothing is said about preflights"),
        pytest.param({"allow_methods": ["PUT"]}, asking(SITE, "OPTIONS"), id="no method is asked for"),
        pytest.param({"allow_methods": ["PUT"]}, asking(None, "OPTIONS", access_control_request_method="PUT"), id="no origin"),
        pytest.param({"allow_methods": ["PUT"]}, asking(SITE, "PUT", access_control_request_method="PUT"), id="another method"),
        pytest.param({"allow_methods": ["PUT"]}, {"type": "websocket", "method": "WS", "headers": {"origin": SITE}}, id="a WebSocket"),
    ],
)
async def test_all_else_reaches_the_handler(options: Any, request_: Any) -> None:
    assert cors_request(request_, cors_options(**options)) is None
    assert (await answer(request_, **options, response={"status": 299}))["status"] == 299


LIKE = "origins are like 'https://example.org:8443' or 'https://*.example.org', in lower case without a path, not "


@pytest.mark.parametrize(
    ("options", "kind", "error"),
    [
        pytest.param({"allow_origin": "a.com"}, ValueError, f"{LIKE}'a.com'", id="no scheme"),
        pytest.param({"allow_origin": ["https://a.com/"]}, ValueError, f"{LIKE}'https://a.com/'", id="a path"),
        pytest.param({"allow_origin": "https://A.com"}, ValueError, f"{LIKE}'https://A.com'", id="capitals"),
        pytest.param({"allow_origin": "null"}, ValueError, f"{LIKE}'null'", id="null"),
        pytest.param({"allow_origin": "https://*a.com"}, ValueError, f"{LIKE}'https://*a.com'", id="half a label"),
        pytest.param({"allow_origin": "https://*"}, ValueError, f"{LIKE}'https://*'", id="any host"),
        pytest.param({"allow_origin": "https://*.*.com"}, ValueError, f"{LIKE}'https://*.*.com'", id="two labels"),
        pytest.param({"allow_origin": "https://a.com\r\nx: y"}, ValueError, f"{LIKE}'https://a.com\\r\\nx: y'", id="another header"),
        pytest.param({"allow_origin": ["*", SITE]}, ValueError, "allow_origin names '*' beside others; '*' allows all, ", id="all and one"),
        pytest.param({"allow_credentials": True}, ValueError, "allow_credentials with allow_origin '*' would let every site act as the user; ", id="cookies"),
        pytest.param({"allow_methods": "PUT"}, TypeError, "allow_methods must be a collection of names, not the str 'PUT'; write ['PUT']", id="a str"),
        pytest.param({"allow_headers": ["*"]}, ValueError, "allow_headers must list names ", id="any header"),
        pytest.param({"expose_headers": ["x y"]}, ValueError, "expose_headers must list names ", id="no token"),
        pytest.param({"max_age_s": 7201}, ValueError, "max_age_s must be 0 to 7200 seconds (no browser keeps it longer), not 7201", id="too long"),
        pytest.param({"max_age_s": -1}, ValueError, "max_age_s must be 0 to 7200 seconds (no browser keeps it longer), not -1", id="below zero"),
    ],
)
def test_wrong_options_are_found_at_build_time(options: Any, kind: type[Exception], error: str) -> None:
    with pytest.raises(kind) as caught:
        wrap_cors(**options)
    assert str(caught.value).startswith(f"wrap_cors: {error}")


@pytest.mark.parametrize("max_age_s", [0, 7200])
def test_the_borders_of_max_age_s(max_age_s: int) -> None:
    assert (cors_options(allow_methods=["PUT"], max_age_s=max_age_s).preflight or {})["access-control-max-age"] == str(max_age_s)


def test_the_options_have_the_defaults_that_wrap_cors_documents() -> None:
    assert signature(cors_options).parameters == signature(wrap_cors).parameters


@pytest.mark.parametrize("granted", [False, True])
@pytest.mark.parametrize(("asked", "allowed"), [("true", True), ("1", False)])
async def test_D18_private_networks_only_where_they_are_allowed(granted: bool, asked: str, allowed: bool) -> None:
    sent = preflight(access_control_request_private_network=asked)
    headers = (await answer(sent, SITE, allow_methods=["PUT"], allow_private_network=granted))["headers"]
    assert headers.get("access-control-allow-private-network") == ("true" if granted and allowed else None)
    assert headers["vary"].endswith("access-control-request-private-network") is granted
    refused = preflight(method="DELETE", access_control_request_private_network="true")
    alone = cors_request(preflight(method="GET", access_control_request_private_network=asked), cors_options(allow_private_network=granted))
    assert (alone is not None, "access-control-allow-private-network" in (alone or {}).get("headers", {})) == (granted, granted and allowed)
    assert list((await answer(refused, SITE, allow_methods=["PUT"], allow_private_network=granted))["headers"]) == ["vary"]


async def test_D18_errors_carry_the_headers_too() -> None:
    """Those of the handler, of the router, and those that the core gives by itself."""

    async def fail(request: Any) -> Any:
        raise RuntimeError

    async def read(request: Any) -> Any:
        raise AssertionError

    routes = [("/fail", ["GET"], fail), ("/read", ["POST"], read)]
    app = build_server(apply_middleware(wrap_cors([SITE, OTHER]), wrap_routes(routes))(standard_not_found), max_body_bytes=1)
    async with client(app) as c:
        sent = {"origin": SITE}
        answers = [
            await c.get("/fail", headers=sent),
            await c.get("/none", headers=sent),
            await c.get("/read", headers=sent),
            await c.post("/read", body=b"long", headers=sent),
            await c.get("/fail", headers={**sent, "host": "a b"}),
        ]
        assert [(answer["status"], answer["headers"]["access-control-allow-origin"], answer["headers"]["vary"]) for answer in answers] == [
            (status, SITE, "origin") for status in (500, 404, 405, 413, 400)
        ]
        other = await c.get("/fail", headers={"origin": "https://c.com"})
        assert (other["status"], other["headers"]["vary"], "access-control-allow-origin" in other["headers"]) == (500, "origin", False)


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://[::1]:8443", "app://local", "https://xn--bcher-kva.example", "http://127.0.0.1"])
def test_origins_that_are_well_written(origin: str) -> None:
    assert cors_options(origin).allows(origin)
