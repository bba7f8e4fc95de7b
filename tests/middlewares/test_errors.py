from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from shallot import build_server, standard_not_found, websocket, ws_send
from shallot.compose import apply_middleware
from shallot.deadline import DeadlinePassed
from shallot.errors import BadRequest, BodyTooLarge, ClientDisconnect, CloseWith, Forbidden, Unavailable
from shallot.middlewares.errors import errors_options, errors_request, errors_response, wrap_errors
from shallot.middlewares.head import wrap_head
from shallot.middlewares.request_id import wrap_request_id
from shallot.middlewares.routing import wrap_routes
from shallot.response import json, problem, text
from shallot.testing import Denied, client, request

SEED = "hunter2-SECRET<script>"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
LOCAL: Any = {"client": ("127.0.0.1", 5)}


@pytest.fixture(autouse=True)
def all_records(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


async def answer(error: BaseException, *args: Any, ask: Any = None, **options: Any) -> Any:
    async def broken(request: Any) -> Any:
        raise error

    return await apply_middleware(wrap_errors(*args, **options))(broken)(ask or request("GET", "/a"))


class OutOfSeason(KeyError):
    pass


@pytest.mark.parametrize(
    ("error", "table", "status", "level"),
    [
        pytest.param(KeyError("x"), {}, 500, "ERROR", id="any"),
        pytest.param(BadRequest("x"), {}, 400, "DEBUG", id="the peer's"),
        pytest.param(BodyTooLarge("x"), {}, 413, "DEBUG", id="too large"),
        pytest.param(Forbidden("x"), {}, 403, "DEBUG", id="forbidden"),
        pytest.param(Unavailable("x"), {}, 503, "WARNING", id="a resource is down"),
        pytest.param(DeadlinePassed("x"), {}, 503, "ERROR", id="a deadline"),
        pytest.param(CloseWith(4000), {}, 500, "ERROR", id="a close that nobody can send"),
        pytest.param(ExceptionGroup("", [ExceptionGroup("", [BadRequest("x")])]), {}, 400, "DEBUG", id="one in a group"),
        pytest.param(ExceptionGroup("", [BadRequest("x"), KeyError()]), {}, 500, "ERROR", id="a group"),
        pytest.param(KeyError("x"), {KeyError: 404}, 404, "DEBUG", id="a row"),
        pytest.param(OutOfSeason("x"), {LookupError: 404, KeyError: 410}, 410, "DEBUG", id="the nearest row"),
        pytest.param(OutOfSeason("x"), {Exception: 418}, 418, "DEBUG", id="a row for all"),
        pytest.param(BadRequest("x"), {BadRequest: 422}, 422, "DEBUG", id="a row goes before our own"),
        pytest.param(TimeoutError("x"), {TimeoutError: 504}, 504, "ERROR", id="a row of ours"),
        pytest.param(KeyError("x"), {KeyError: lambda error, request: json([type(error).__name__, request["path"]], 409)}, 409, "DEBUG", id="a function"),
    ],
)
async def test_the_answer_and_the_record(error: BaseException, table: Any, status: int, level: str, caplog: pytest.LogCaptureFixture) -> None:
    response = await answer(error, table)
    assert response["status"] == status
    [record] = [record for record in caplog.records if record.name == "shallot.errors"]
    assert (record.levelname, record.exc_info is not None) == (level, level == "ERROR")
    assert '"/a"' in record.getMessage()


async def test_what_is_told() -> None:
    ask = request("GET", "/", request_id="0123456789")
    assert (await answer(KeyError(SEED), ask=ask)) == {
        **problem(500, trace="0123456789"),
        "headers": {"content-type": "application/problem+json", "content-length": "88", "cache-control": "no-store", "vary": "accept"},
    }
    assert b"trace" not in (await answer(BadRequest(SEED)))["body"]
    assert b"trace" not in (await answer(Unavailable(SEED)))["body"]
    assert (await answer(KeyError(SEED), {KeyError: lambda error, request: text("sorry", 410)})) == text("sorry", 410)


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), ClientDisconnect(), KeyboardInterrupt(), BaseExceptionGroup("", [asyncio.CancelledError()])], ids=repr
)
async def test_J1_what_is_not_answered_passes_on(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(type(error)):
        await answer(error, {Exception: 418})
    assert [record for record in caplog.records if record.name == "shallot.errors"] == []


async def test_J1_cancelled_at_every_wait() -> None:
    async def slow(request: Any) -> Any:
        await asyncio.Event().wait()

    task = asyncio.create_task(apply_middleware(wrap_errors({Exception: 418}))(slow)(request("GET", "/")))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("accept", [BROWSER, "*/*"])
@pytest.mark.parametrize("client_", ["127.0.0.1", "203.0.113.7"])
async def test_K1_nothing_of_the_error_is_sent(debug: bool, accept: str, client_: str, caplog: pytest.LogCaptureFixture) -> None:
    ask = request("GET", "/", headers={"accept": accept, "host": "localhost"}, client=(client_, 5))
    response = await answer(ValueError(SEED), ask=ask, debug=debug)
    is_page = accept == BROWSER
    assert response["status"] == 500
    assert response["headers"]["content-type"] == ("text/html; charset=utf-8" if is_page else "application/problem+json")
    assert b"hunter2" not in response["body"] and b"<script>" not in response["body"]
    assert (b"test_errors.py" in response["body"]) is (debug and is_page and client_ == "127.0.0.1")
    assert ("default-src 'none'" in response["headers"].get("content-security-policy", "")) is is_page
    assert SEED in caplog.text


async def test_a_debug_page_is_for_faults_of_ours_alone() -> None:
    ask = request("GET", "/", headers={"accept": BROWSER, "host": "localhost"}, **LOCAL)
    assert b"test_errors.py" not in (await answer(BadRequest(), ask=ask, debug=True))["body"]


@pytest.mark.parametrize(
    ("respond", "said"), [(lambda error, request: 1 / 0, "ZeroDivisionError"), (lambda error, request: None, "TypeError")], ids=["raises", "no response"]
)
async def test_K5_an_error_in_the_error_s_answer(respond: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    response = await answer(KeyError(SEED), {KeyError: respond})
    assert (response["status"], response["body"]) == (500, problem(500)["body"])
    assert SEED in caplog.text and said in caplog.text
    assert [record.levelname for record in caplog.records if record.name == "shallot.errors"] == ["ERROR", "ERROR"]


async def test_K5_an_error_in_the_page(caplog: pytest.LogCaptureFixture) -> None:
    ask = request("GET", "/", headers={"accept": BROWSER})
    response = await answer(KeyError(), ask=ask, page=lambda problem: 1 / 0)
    assert (response["status"], response["headers"]["content-type"]) == (500, "application/problem+json")
    assert "the page of an error failed itself; it goes out as it is" in caplog.text


async def test_K4_a_problem_without_a_body_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def missing(request: Any) -> Any:
        return problem(404)

    answered = await apply_middleware(wrap_errors(), wrap_head())(missing)(request("HEAD", "/", headers={"accept": BROWSER}))
    assert (answered["status"], answered["body"], answered["headers"]["vary"]) == (404, b"", "accept")
    assert caplog.records == []


async def test_K4_the_same_failure_again_and_again(caplog: pytest.LogCaptureFixture) -> None:
    def fail(request: Any) -> Any:
        raise KeyError(SEED)

    async with client(build_server(apply_middleware(wrap_errors)(fail))) as c:
        for _ in range(15):
            assert (await c.get("/"))["status"] == 500
    records = [record for record in caplog.records if record.name == "shallot.errors"]
    assert [(record.levelname, record.exc_info is not None) for record in records] == [("ERROR", True)] * 10 + [("ERROR", False)] * 5
    assert records[-1].getMessage().endswith("]: KeyError, as more than ten times within this minute")


async def test_a_missing_middleware_is_named_in_the_record(caplog: pytest.LogCaptureFixture) -> None:
    async with client(build_server(apply_middleware(wrap_errors)(lambda request: request["json"]))) as c:
        assert (await c.get("/"))["status"] == 500
    assert "if that was request['json']: wrap_json puts it there" in caplog.text


async def test_K7_what_is_no_response(caplog: pytest.LogCaptureFixture) -> None:
    async def nothing(request: Any) -> Any: ...

    response: Any = await apply_middleware(wrap_errors)(nothing)(request("GET", "/"))
    assert response["status"] == 500
    assert "TypeError: the handler returned None (it, or a middleware around it, lacks a return); expected a response dict" in caplog.text


MARKERS = [f"marker{number}" for number in range(12)]


@pytest.mark.parametrize("error", [BadRequest, BodyTooLarge, Unavailable, Forbidden])
@pytest.mark.parametrize("accept", [BROWSER, "application/json"])
async def test_K6_nothing_of_the_request_is_echoed(error: Any, accept: str) -> None:
    ask = request("GET", f"/{MARKERS[0]}?{MARKERS[1]}={MARKERS[2]}", headers={"accept": accept, MARKERS[3]: MARKERS[4], "cookie": f"{MARKERS[5]}={MARKERS[6]}"})
    body = (await answer(error(" ".join(MARKERS)), ask=ask))["body"].decode()
    assert [marker for marker in MARKERS if marker in body] == []


@pytest.mark.parametrize(
    ("response", "accept", "content_type"),
    [
        pytest.param(problem(405), BROWSER, "text/html; charset=utf-8", id="a problem for a browser"),
        pytest.param(problem(405), None, "application/problem+json", id="for anybody"),
        pytest.param(problem(405), "application/json", "application/problem+json", id="for a program"),
        pytest.param(text("no", 404), BROWSER, "text/plain; charset=utf-8", id="a text"),
        pytest.param({**problem(404), "status": 200}, BROWSER, "application/problem+json", id="no error"),
        pytest.param({"status": 404}, BROWSER, None, id="no headers"),
        pytest.param({**problem(404), "body": b"{"}, BROWSER, "application/problem+json", id="a broken problem"),
    ],
)
def test_problems_that_pass_by(response: Any, accept: str | None, content_type: str | None) -> None:
    before = repr(response)
    ask = request("GET", "/", headers={} if accept is None else {"accept": accept})
    seen: Any = errors_response(response, ask, errors_options())
    assert seen.get("headers", {}).get("content-type") == content_type
    is_problem = response["status"] >= 400 and b"problem" in str(response.get("headers")).encode()
    assert ("vary" in seen.get("headers", {})) is is_problem
    assert repr(response) == before
    if "content-length" in seen.get("headers", {}) and content_type and "html" in content_type:
        assert int(seen["headers"]["content-length"]) == len(seen["body"])


def test_a_page_of_one_s_own() -> None:
    options = errors_options(page=lambda problem: f"<p>{problem['status']} {problem.get('stock')}</p>")
    ask = request("GET", "/", headers={"accept": BROWSER})
    response: Any = errors_response(problem(409, stock=0), ask, options)
    assert (response["body"], "content-security-policy" in response["headers"]) == (b"<p>409 0</p>", False)


@websocket(on_connect=lambda scope: {}["nothing"])
async def refuses(scope: Any, receiver: Any) -> Any:
    yield ws_send("never")


@websocket
async def fails(scope: Any, receiver: Any) -> Any:
    yield ws_send("hi")
    raise KeyError(SEED)


async def test_a_handshake_that_fails_is_denied_and_a_conversation_is_the_engine_s(caplog: pytest.LogCaptureFixture) -> None:
    routes = [("/refuses", ["WS"], refuses), ("/fails", ["WS"], fails), ("/plain", ["GET"], standard_not_found)]
    app = build_server(apply_middleware(wrap_request_id, wrap_errors({KeyError: 403}), wrap_routes(routes))(standard_not_found), max_body_bytes=5)
    async with client(app, headers={"accept": BROWSER}) as c:
        for path, status in (("/refuses", 403), ("/plain", 404)):
            with pytest.raises(Denied) as denied:
                async with c.websocket(path):
                    pass
            assert denied.value.response["status"] == status
            assert denied.value.response["headers"]["content-type"] == "application/problem+json"
        async with c.websocket("/fails") as ws:
            assert (await ws.expect(), await ws.expect_close()) == ("hi", {"code": 1011, "reason": ""})
        refused = await c.post("/plain", body="too much")
        assert (refused["status"], refused["headers"]["content-type"]) == (413, "text/html; charset=utf-8")
        assert (await c.post("/plain"))["body"].startswith(b"<!doctype html>"), "the 405 of wrap_routes"
    assert caplog.text.count("failed") == 1


def test_the_first_half_needs_no_server() -> None:
    options = errors_options({KeyError: lambda error, request: text(str(error.args[0]), 404)})
    assert errors_request(KeyError("pear"), request("GET", "/"), options) == text("pear", 404)


async def nobody(error: Any, request: Any) -> Any: ...


KEYS = "wrap_errors: the keys of the table are classes of exceptions, below Exception; not "
STATUS = "wrap_errors: the answer to KeyError must be a status from 400 to 599, or a function; not "
FUNCTION = "wrap_errors: the answer to KeyError must be a status, or a plain function of (error, request) that gives a response; not "
PAGE = "wrap_errors: page must be a function of the problem that gives the text of a page, not "


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"table": {"KeyError": 404}}, f"{KEYS}'KeyError'"),
        ({"table": {asyncio.CancelledError: 500}}, f"{KEYS}{asyncio.CancelledError!r}"),
        *(({"table": {KeyError: status}}, f"{STATUS}{status}") for status in (399, 600)),
        *(({"table": {KeyError: wrong}}, f"{FUNCTION}{wrong!r}") for wrong in (True, "404", nobody, len)),
        *(({"page": wrong}, f"{PAGE}{wrong!r}") for wrong in ("x", isinstance)),
    ],
)
def test_options(options: Any, complaint: str) -> None:
    with pytest.raises((TypeError, ValueError)) as told:
        wrap_errors(**options)
    assert str(told.value) == complaint
