from __future__ import annotations

import logging
from typing import Any

import pytest

from shallot import build_server, websocket, ws_send
from shallot.compose import apply_middleware
from shallot.middlewares.request_id import log_request_id, request_id_request, request_id_response, wrap_request_id
from shallot.middlewares.routing import wrap_routes
from shallot.response import text
from shallot.testing import Denied, client, request

ID = "0123456789-_.=abc"


@pytest.mark.parametrize("given", [ID, "x" * 8, "x" * 128])
def test_a_trusted_id_is_taken(given: str) -> None:
    assert request_id_request({"headers": {"x-request-id": given}}, trusted=True)["request_id"] == given


@pytest.mark.parametrize("given", [ID, "", "short", "x" * 129, "with space", "two,ids-of-it", "line\r\nbreak", "ümlaut-ümlaut", "abcdefgh\n"])
def test_any_other_is_made_anew(given: str) -> None:
    made = {request_id_request({"headers": {"x-request-id": given}}, trusted=given != ID)["request_id"] for _ in range(2)}
    assert len(made) == 2 and given not in made
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in made)


def test_response_is_a_copy() -> None:
    constant: Any = {"status": 200, "headers": {"X-Request-ID": "theirs"}}
    assert request_id_response(constant, {"request_id": ID}) == {"status": 200, "headers": {"x-request-id": ID}}
    assert constant == {"status": 200, "headers": {"X-Request-ID": "theirs"}}
    assert len(request_id_response({"status": 413}, {})["headers"]["x-request-id"]) == 32  # type: ignore[typeddict-item]


async def hello(request: Any) -> Any:
    return text(request["request_id"])


@pytest.mark.parametrize(
    ("trust", "taken"), [(False, False), (True, True), (lambda request: request["headers"]["host"] == "a", True), (lambda request: False, False)]
)
async def test_who_is_trusted(trust: Any, taken: bool) -> None:
    response = await apply_middleware(wrap_request_id(header="x-trace", trust=trust))(hello)(request("GET", "/", headers={"x-trace": ID, "host": "a"}))
    assert (response["body"] == ID.encode()) is taken
    assert response["headers"]["x-trace"].encode() == response["body"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"header": "X-Id"}, "wrap_request_id: header must be a name in lower case, like 'x-request-id', not 'X-Id'"),
        ({"trust": "yes"}, "wrap_request_id: trust must be True, False or a function of the request, not 'yes'"),
    ],
)
def test_options(options: Any, complaint: str) -> None:
    with pytest.raises((TypeError, ValueError)) as told:
        wrap_request_id(**options)
    assert str(told.value) == complaint


@websocket
async def echo(scope: Any, receiver: Any) -> Any:
    async for message in receiver:
        logging.getLogger("app").warning("heard")
        yield ws_send(message)


async def test_the_whole_conversation_and_every_refusal(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(log_request_id)
    routes = [("/", ["GET"], hello), ("/echo", ["WS"], echo), ("/fail", ["GET"], lambda request: 1 / 0)]
    app = build_server(apply_middleware(wrap_request_id, wrap_routes(routes))(hello), max_body_bytes=10)
    async with client(app) as c:
        async with c.websocket("/echo") as ws:
            await ws.send("hi")
            assert await ws.expect() == "hi"
            name = dict(ws.headers_list)[b"x-request-id"].decode() if hasattr(ws, "headers_list") else None
        heard = [record for record in caplog.records if record.getMessage() == "heard"]
        assert len(heard[0].request_id) == 32  # type: ignore[attr-defined]
        assert name in (None, heard[0].request_id)  # type: ignore[attr-defined]
        for method, path, body in (("POST", "/", "x" * 11), ("GET", "/fail", ""), ("GET", "/", "")):
            answer = await c.request(method, path, body=body)
            assert len(answer["headers"]["x-request-id"]) == 32
        with pytest.raises(Denied) as denied:
            async with c.websocket("/nowhere"):
                pass
        assert len(denied.value.response["headers"]["x-request-id"]) == 32
    caplog.handler.removeFilter(log_request_id)


def test_the_filter() -> None:
    record, mine = logging.makeLogRecord({}), logging.makeLogRecord({"request_id": "mine"})
    assert log_request_id(record) and log_request_id(mine)
    assert (mine.request_id, bool(record.request_id)) == ("mine", True)  # type: ignore[attr-defined]
