from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from shallot import build_server, standard_not_found, websocket
from shallot.compose import apply_middleware
from shallot.middlewares import security_headers
from shallot.middlewares.cors import wrap_cors
from shallot.middlewares.routing import wrap_routes
from shallot.middlewares.security_headers import HSTS, api_headers, security_headers_response, site_headers, wrap_security_headers
from shallot.middlewares.static import wrap_static
from shallot.response import redirect, text
from shallot.testing import Denied, client

SITE = {**HSTS, **site_headers}


async def answer(response: Any, *args: Any, request: Any = None, **options: Any) -> Any:
    async def handler(request: Any) -> Any:
        return response

    return await apply_middleware(wrap_security_headers(*args, **options))(handler)({} if request is None else request)


@pytest.mark.parametrize("table", [api_headers, site_headers], ids=["api", "site"])
@pytest.mark.parametrize("secure", [True, False])
async def test_the_tables(table: Any, secure: bool) -> None:
    assert (await answer({"status": 200}, table, secure=secure))["headers"] == {**(HSTS if secure else {}), **table}


def test_what_the_tables_say() -> None:
    """The list of defaults of the threat table, part 2."""
    assert {**api_headers} == {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
    }
    assert {**site_headers} == {
        "x-content-type-options": "nosniff",
        "x-frame-options": "SAMEORIGIN",
        "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'self'",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
    assert HSTS == {"strict-transport-security": "max-age=31536000; includeSubDomains"}


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        pytest.param({**site_headers, "x-frame-options": None}, {"x-frame-options": None}, id="left out"),
        pytest.param({**site_headers, "strict-transport-security": None}, {"strict-transport-security": None}, id="no HSTS"),
        pytest.param({"Strict-Transport-Security": "max-age=60"}, {"strict-transport-security": "max-age=60", "x-frame-options": None}, id="another HSTS"),
        pytest.param({**site_headers, "permissions-policy": "camera=()"}, {"permissions-policy": "camera=()"}, id="one more"),
    ],
)
async def test_a_table_is_changed_as_data(headers: Any, sent: dict[str, Any]) -> None:
    made = (await answer({"status": 200}, headers))["headers"]
    assert {name: made.get(name) for name in sent} == sent


@pytest.mark.parametrize("name", ["x-frame-options", "X-Frame-Options"])
async def test_the_handler_may_override(name: str) -> None:
    response = {"status": 200, "headers": {name: "DENY"}}
    before = repr(response)
    made = (await answer(response))["headers"]
    assert [(key, value) for key, value in made.items() if key.lower() == "x-frame-options"] == [(name, "DENY")]
    assert (len(made), repr(response)) == (len(SITE), before)


@pytest.mark.parametrize(
    ("headers", "kind", "text_"),
    [({"x y": "z"}, ValueError, "a header's name"), ({"x": "a\r\nb: c"}, ValueError, "control character"), ({"x": 1}, TypeError, "expected a str")],
    ids=repr,
)
def test_wrong_headers_are_found_at_build_time(headers: Any, kind: type[Exception], text_: str) -> None:
    with pytest.raises(kind, match=text_):
        wrap_security_headers(headers)


# ---- a nonce for each request

NONCE = {"content-security-policy": "script-src 'nonce-{nonce}'"}


async def test_each_request_has_a_nonce_of_its_own() -> None:
    async def handler(request: Any) -> Any:
        return text(request["csp_nonce"])

    app = apply_middleware(wrap_security_headers(NONCE))(handler)
    answers: list[Any] = [await app({}) for _ in range(3)]
    nonces = [answer["body"].decode() for answer in answers]
    assert [answer["headers"]["content-security-policy"] for answer in answers] == [f"script-src 'nonce-{nonce}'" for nonce in nonces]
    assert len(set(nonces)) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", nonce) for nonce in nonces)


async def test_no_nonce_where_no_header_says_it() -> None:
    request: dict[str, Any] = {}
    await answer({"status": 200}, request=request)
    assert request == {}


def test_an_answer_to_a_request_that_got_no_nonce() -> None:
    made = security_headers_response({"status": 500}, {}, NONCE)["headers"]["content-security-policy"]  # type: ignore[typeddict-item]
    assert re.fullmatch(r"script-src 'nonce-[A-Za-z0-9_-]{22}'", str(made))


async def test_a_policy_of_the_handler_needs_no_nonce() -> None:
    made = await answer({"status": 200, "headers": {"content-security-policy": "none"}}, NONCE, secure=False)
    assert made["headers"] == {"content-security-policy": "none"}


# ---- F12: on all that goes out


def build(tmp_path: Path, **options: Any) -> Any:
    (tmp_path / "a.css").write_bytes(b"a {}")

    async def fail(request: Any) -> Any:
        raise LookupError("planted")

    async def go(request: Any) -> Any:
        return redirect("/")

    async def broken(request: Any) -> Any:
        return {"status": 200, "body": "text"}

    @websocket
    async def chat(scope: Any, receiver: Any) -> Any:
        async for _ in receiver:
            yield {"type": "websocket.close"}

    routes = [("/fail", ["GET"], fail), ("/go", ["GET"], go), ("/broken", ["GET"], broken), ("/chat", ["WS"], chat), ("/put", ["PUT"], go)]
    pile = [wrap_security_headers(), wrap_cors("https://a.b", allow_methods=["PUT"]), wrap_static(str(tmp_path)), wrap_routes(routes)]
    return build_server(apply_middleware(*pile)(standard_not_found), **options)


PREFLIGHT = {"origin": "https://a.b", "access-control-request-method": "PUT"}


@pytest.mark.parametrize(
    ("method", "path", "sending", "status"),
    [
        ("GET", "/none", {}, 404),
        ("POST", "/put", {}, 405),
        ("PUT", "/put", {"body": b"x" * 100}, 413),
        ("GET", "/fail", {}, 500),
        ("GET", "/broken", {}, 500),
        ("GET", "/go", {}, 303),
        ("GET", "/a.css", {}, 200),
        ("GET", "/a.css", {"headers": {"if-none-match": "*"}}, 304),
        ("GET", "/a.css", {"headers": {"range": "bytes=0-1"}}, 206),
        ("GET", "/a.css", {"headers": {"range": "bytes=9-"}}, 416),
        ("GET", "/a.css", {"headers": {"if-match": '"x"'}}, 412),
        ("GET", "/../x", {}, 404),
        ("HEAD", "/a.css", {}, 200),
        ("OPTIONS", "/put", {"headers": PREFLIGHT}, 204),
        ("GET", "/chat", {}, 426),
        ("GET", "/a%00", {}, 400),
        ("GET", "/?" + "x" * 20_000, {}, 414),
    ],
)
async def test_F12_all_answers_carry_the_set(tmp_path: Path, method: str, path: str, sending: Any, status: int, caplog: Any) -> None:
    caplog.set_level(logging.CRITICAL)
    async with client(build(tmp_path, max_body_bytes=10), raise_errors=False) as c:
        answer = await c.request(method, path, **sending)
    assert answer["status"] == status
    assert {name: answer["headers"].get(name) for name in SITE} == SITE


async def test_F12_handshakes_and_denials_carry_the_set(tmp_path: Path) -> None:
    async with client(build(tmp_path)) as c:
        async with c.websocket("/chat") as ws:
            assert {name: ws.accepted["headers"].get(name) for name in SITE} == SITE
        with pytest.raises(Denied) as denied:
            async with c.websocket("/none"):
                pass
    assert {name: denied.value.response["headers"].get(name) for name in SITE} == SITE


def test_the_tables_are_shown_by_the_face() -> None:
    from shallot import middlewares

    assert (middlewares.api_headers, middlewares.site_headers) == (security_headers.api_headers, security_headers.site_headers)
