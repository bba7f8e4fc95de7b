from __future__ import annotations

import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from inspect import signature
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot import build_server, standard_not_found, websocket, ws_send
from shallot.compose import apply_middleware
from shallot.middlewares.csrf import csrf_options, csrf_request, csrf_token, wrap_csrf
from shallot.middlewares.parameters import wrap_parameters
from shallot.middlewares.routing import wrap_routes
from shallot.middlewares.session import wrap_session
from shallot.response import text
from shallot.sessions.memory import memory_store
from shallot.testing import client

SESSION: Any = {}
TOKEN = csrf_token({"session": SESSION})
STRANGE = csrf_token({"session": {}})
FETCH = "sec-fetch-site"
PASSWORD = {"authorization": "Basic YW5uOnNlY3JldA=="}


def asking(method: str = "POST", *, session: Any = SESSION, **keys: Any) -> Any:
    headers = {"host": "example.org", **keys.pop("headers", {})}
    return {"type": "http", "method": method, "scheme": "https", "headers": headers, "session": session, **keys}


def is_let_in(request: Any, **options: Any) -> bool:
    answer = csrf_request(request, csrf_options(**options))
    if answer is not None:
        assert answer["status"] == 403
        assert b"another" not in answer["body"]
    return answer is None


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(asking(headers={FETCH: "same-origin"}), id="same-origin"),
        pytest.param(asking(headers={FETCH: "none"}), id="typed by the user"),
        pytest.param(asking(headers={FETCH: "same-origin", "origin": "null"}), id="same-origin, origin null"),
        pytest.param(asking(headers={"origin": "https://example.org"}), id="our origin"),
        pytest.param(asking(headers={"origin": "https://example.org", "host": "Example.org:443"}), id="our origin, the port named"),
        pytest.param(asking(headers={"origin": "http://localhost:8000", "host": "localhost:8000"}, scheme="http"), id="our origin with a port"),
        pytest.param({"type": "http", "method": "POST", "headers": {"host": "a", "origin": "http://a"}}, id="our origin, no scheme is http"),
        pytest.param(asking(headers={"x-csrf-token": TOKEN}), id="the token in the header"),
        pytest.param(asking(form_params={"__anti_forgery_token": [TOKEN]}), id="the token in the form"),
        *(pytest.param(asking(method, headers={FETCH: "cross-site"}), id=method) for method in ("GET", "HEAD", "OPTIONS", "TRACE")),
        pytest.param(asking("WS", type="websocket", headers={FETCH: "cross-site"}), id="a WebSocket"),
        pytest.param(asking(route={"data": {"csrf": False}}), id="an exempt row"),
    ],
)
def test_let_in(request_: Any) -> None:
    assert is_let_in(request_)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(asking(), id="no headers"),
        pytest.param(asking(headers={"origin": "null"}), id="origin null"),
        pytest.param(asking(headers={"origin": ""}), id="origin empty"),
        pytest.param(asking(headers={"origin": "https://example.org:8443"}), id="another port"),
        pytest.param(asking(headers={"origin": "http://example.org"}), id="another scheme"),
        pytest.param(asking(headers={"origin": "https://example.org.evil.net"}), id="another host"),
        pytest.param(asking(headers={"origin": "https://example.org,https://example.org"}), id="two origins"),
        pytest.param(asking(headers={"origin": "https://", "host": ""}), id="no host"),
        pytest.param({"type": "http", "method": "POST", "session": SESSION, "headers": {"origin": "http://x"}}, id="no host header"),
        pytest.param(asking(headers={FETCH: "cross-site", "x-csrf-token": TOKEN}), id="cross-site with the right token"),
        pytest.param(asking(headers={FETCH: "same-site", "x-csrf-token": TOKEN}), id="same-site with the right token"),
        pytest.param(asking(headers={FETCH: "cross-site", "origin": "https://example.org"}), id="cross-site with our origin"),
        pytest.param(asking(headers={FETCH: "SAME-ORIGIN"}), id="same-origin misspelt"),
        pytest.param(asking(headers={FETCH: "same-origin,same-origin"}), id="same-origin twice"),
        pytest.param(asking(headers={"origin": "https://evil.net", "x-csrf-token": TOKEN}), id="another origin with the right token"),
        pytest.param(asking(headers={"x-csrf-token": STRANGE}), id="the token of another session"),
        pytest.param(asking(headers={"x-csrf-token": TOKEN}, session={}), id="a token, and a session without one"),
        pytest.param(asking(query_params={"__anti_forgery_token": [TOKEN]}, params={"__anti_forgery_token": [TOKEN]}), id="the token in the query"),
        pytest.param(asking(cookies={"x-csrf-token": TOKEN}), id="the token in a cookie"),
        pytest.param(asking(headers={"x-csrf-token": SESSION["_csrf"]}), id="the secret itself"),
        pytest.param(asking(headers={"x-csrf-token": ""}), id="an empty token"),
        pytest.param(asking(headers={"x-csrf-token": "é"}), id="a token of other letters"),
        pytest.param(asking(headers={"x-csrf-token": "a"}), id="a token of one letter"),
        pytest.param(asking(headers={"x-csrf-token": TOKEN + "AAAA"}), id="a longer token"),
        pytest.param(asking(headers={"x-csrf-token": urlsafe_b64encode(bytes(120)).decode()}), id="a token of zeros"),
        pytest.param(asking(form_params={"__anti_forgery_token": []}), id="no value"),
        pytest.param(asking(form_params={"__anti_forgery_token": ["no", TOKEN]}), id="the second value"),
        *(pytest.param(asking(method), id=method) for method in ("PUT", "PATCH", "DELETE", "QUERY", "PROPFIND", "get")),
        pytest.param(asking(route={"data": {"csrf": 0}}), id="a row that says 0"),
        pytest.param(asking(route={"data": {}}), id="a row that says nothing"),
    ],
)
def test_D13_refused(request_: Any) -> None:
    assert not is_let_in(request_)


@pytest.mark.parametrize(
    ("options", "headers", "expected"),
    [
        pytest.param({"trusted_origins": ["https://app.example.org"]}, {"origin": "https://app.example.org"}, True, id="trusted"),
        pytest.param(
            {"trusted_origins": ["https://*.example.org"]}, {FETCH: "same-site", "origin": "https://app.example.org"}, True, id="trusted by a pattern"
        ),
        pytest.param({"trusted_origins": ["https://app.example.org"]}, {FETCH: "cross-site"}, False, id="trusted, not named"),
        pytest.param({"trusted_origins": ["https://*.example.org"]}, {FETCH: "cross-site"}, False, id="trusted by a pattern, not named"),
        pytest.param({"trusted_origins": ["https://app.example.org"]}, {"origin": "https://b.example.org"}, False, id="not trusted"),
        pytest.param({"only_with_cookie": True}, {}, True, id="no cookie"),
        pytest.param({"only_with_cookie": True}, {"cookie": "a=1"}, False, id="a cookie"),
        pytest.param({"only_with_cookie": True}, {"cookie": "", FETCH: "cross-site"}, False, id="an empty cookie header"),
        pytest.param({"only_with_cookie": True}, {"cookie": "a=1", FETCH: "same-origin"}, True, id="a cookie, same-origin"),
        pytest.param({"only_with_cookie": True}, {**PASSWORD, FETCH: "cross-site"}, False, id="another site, with the password that the browser keeps"),
        pytest.param({"only_with_cookie": True}, {**PASSWORD, "origin": "https://evil.net"}, False, id="the same of an old browser"),
        pytest.param({"only_with_cookie": True}, {**PASSWORD, FETCH: "same-origin"}, True, id="our page, with the password that the browser keeps"),
        pytest.param({"only_with_cookie": True}, PASSWORD, True, id="a program with a password"),
        pytest.param({"only_with_cookie": True, "token": False}, PASSWORD, True, id="a program with a password, where there are no tokens"),
        pytest.param({"only_with_cookie": True}, {**PASSWORD, "cookie": "a=1"}, False, id="a password and a cookie"),
        pytest.param({"only_with_cookie": True}, {"authorization": "Bearer t", FETCH: "cross-site"}, True, id="another site's own token"),
        pytest.param({"token": False}, {"x-csrf-token": TOKEN}, False, id="no token is taken"),
        pytest.param({"token": False}, {FETCH: "same-origin"}, True, id="without token, same-origin"),
        pytest.param({"header": "X-XSRF-Token"}, {"x-xsrf-token": TOKEN}, True, id="another header"),
    ],
)
def test_options(options: Any, headers: Any, expected: bool) -> None:
    assert is_let_in(asking(headers=headers), **options) is expected


def test_another_field() -> None:
    assert is_let_in(asking(form_params={"_token": [TOKEN]}), field="_token")


def test_D15_a_thousand_tokens_are_all_different_and_all_valid() -> None:
    session: Any = {}
    tokens = {csrf_token({"session": session}) for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(is_let_in(asking(headers={"x-csrf-token": token}, session=session)) for token in tokens)
    columns = zip(*(urlsafe_b64decode(token) for token in tokens), strict=True)
    assert all(len(set(column)) > 200 for column in columns)
    assert len(urlsafe_b64decode(session["_csrf"])) == 60


@given(st.text(max_size=200) | st.binary(min_size=120, max_size=120).map(lambda raw: urlsafe_b64encode(raw).decode()))
def test_no_other_text_is_a_token(given_: str) -> None:
    assert not is_let_in(asking(headers={"x-csrf-token": given_}))


def test_the_log_tells_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "shallot.csrf"):
        is_let_in(asking(headers={"origin": "https://evil\n.net" + "x" * 500, FETCH: "cross-site"}))
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith("refused a POST: origin 'https://evil\\n.net")
    assert said.endswith("Behind a proxy wrap_proxy belongs outside; other sites that may ask belong into trusted_origins")
    assert len(said) < 350


@pytest.mark.parametrize(
    ("options", "error", "text_"),
    [
        pytest.param({"header": ""}, ValueError, "^wrap_csrf: header and field must have a name", id="no header"),
        pytest.param({"field": ""}, ValueError, "for no token at all there is token=False$", id="no field"),
        pytest.param({"trusted_origins": "https://a.org"}, TypeError, "^origins must be a collection", id="a str"),
        pytest.param({"trusted_origins": ["example.org"]}, ValueError, "^origins are like", id="no origin"),
    ],
)
def test_options_are_checked(options: Any, error: type[Exception], text_: str) -> None:
    with pytest.raises(error, match=text_):
        wrap_csrf(**options)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_without_a_session(method: str) -> None:
    request = {"type": "http", "method": method, "headers": {FETCH: "same-origin"}}
    with pytest.raises(TypeError, match='^wrap_csrf: request has no "session"; put wrap_session outside it$'):
        await apply_middleware(wrap_csrf())(standard_not_found)(request)
    assert (await apply_middleware(wrap_csrf(token=False))(standard_not_found)(request))["status"] == 404


def test_a_token_is_asked_for_without_a_session() -> None:
    with pytest.raises(TypeError, match='^wrap_csrf: request has no "session"; put wrap_session outside it$'):
        csrf_request({"type": "http", "method": "POST", "headers": {}}, csrf_options())


def test_the_options_have_the_defaults_that_wrap_csrf_documents() -> None:
    assert signature(csrf_options).parameters == signature(wrap_csrf).parameters


def test_a_token_without_a_session() -> None:
    with pytest.raises(TypeError, match='^csrf_token: request has no "session"; put wrap_session outside it$'):
        csrf_token({})


# ---- the whole

calls: list[str] = []


async def form(request: Any) -> Any:
    return text(csrf_token(request))


async def act(request: Any) -> Any:
    calls.append(request["method"])
    return text("done")


async def login(request: Any) -> Any:
    request["session"]["user"] = "ann"
    return text("in")


@websocket
async def greet(scope: Any, receiver: Any) -> Any:
    yield ws_send("hi")


ROWS = [
    ("/", ["GET"], form),
    ("/", ["POST"], act),
    ("/in", ["POST"], login),
    ("/hook", ["POST"], act, {"csrf": False}),
    ("/ws", ["WS"], greet),
]


def app(**options: Any) -> Any:
    return build_server(apply_middleware(wrap_session(memory_store()), wrap_parameters(), wrap_routes(ROWS), wrap_csrf(**options))(standard_not_found))


async def test_D14_the_handler_never_runs() -> None:
    calls.clear()
    async with client(app()) as c:
        for headers in ({}, {FETCH: "cross-site"}, {"origin": "null"}):
            answer = await c.post("/", headers=headers)
            assert (answer["status"], answer["headers"]["content-type"]) == (403, "application/problem+json")
        assert calls == []
        assert (await c.post("/hook"))["status"] == 200
        assert calls == ["POST"]


async def test_a_form_with_its_token() -> None:
    calls.clear()
    async with client(app()) as c:
        token = (await c.get("/"))["body"].decode()
        typed = {"content-type": "application/x-www-form-urlencoded"}
        assert (await c.post("/", headers=typed, body=f"__anti_forgery_token={token}".encode()))["status"] == 200
        assert (await c.post("/", headers={"x-csrf-token": token}))["status"] == 200
        assert (await c.post(f"/?__anti_forgery_token={token}"))["status"] == 403
        assert calls == ["POST", "POST"]


async def test_D9_a_login_renews_the_secret() -> None:
    async with client(app()) as c:
        token = (await c.get("/"))["body"].decode()
        assert (await c.post("/in", headers={"x-csrf-token": token}))["status"] == 200
        assert (await c.post("/", headers={"x-csrf-token": token}))["status"] == 403
        token = (await c.get("/"))["body"].decode()
        assert (await c.post("/", headers={"x-csrf-token": token}))["status"] == 200


async def test_a_page_without_a_form_makes_no_session() -> None:
    store = memory_store()
    pile = apply_middleware(wrap_session(store), wrap_csrf())(standard_not_found)
    assert "vary" not in (await pile({"type": "http", "method": "GET", "headers": {}})).get("headers", {})
    assert len(store) == 0


async def test_a_websocket_is_not_looked_at() -> None:
    async with client(app()) as c, c.websocket("/ws", headers={"origin": "https://evil.net"}) as ws:
        assert await ws.expect() == "hi"
