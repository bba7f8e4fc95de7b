from __future__ import annotations

from typing import Any

import pytest

from shallot import build_server
from shallot.compose import apply_middleware
from shallot.middlewares.head import head_response, wrap_head
from shallot.response import file, text
from shallot.testing import client


async def only_get(request: Any) -> Any:
    request["seen"] = request["method"]
    return text("apple") if request["method"] == "GET" else text("method", 405)


@pytest.mark.parametrize(("method", "status", "body"), [("GET", 200, b"apple"), ("HEAD", 200, b""), ("POST", 405, b"method"), ("head", 405, b"method")])
async def test_head_is_asked_as_get(method: str, status: int, body: bytes) -> None:
    request = {"type": "http", "method": method}
    response = await apply_middleware(wrap_head)(only_get)(request)
    assert (response["status"], response.get("body")) == (status, body)
    assert response.get("headers", {})["content-length"] == str(len(b"apple" if status == 200 else b"method"))
    assert (request["method"], request["seen"]) == (method, "GET" if method == "HEAD" else method)


async def test_outside_it_is_head_again_whatever_happens() -> None:
    async def fail(request: Any) -> Any:
        raise LookupError("planted")

    request = {"type": "http", "method": "HEAD"}
    with pytest.raises(LookupError):
        await apply_middleware(wrap_head())(fail)(request)
    assert request["method"] == "HEAD"


async def test_a_websocket_is_left_alone() -> None:
    response = {"status": 101, "websocket": {}}

    async def handler(request: Any) -> Any:
        return response

    assert await apply_middleware(wrap_head())(handler)({"type": "websocket", "method": "WS"}) is response


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"status": 200, "body": b"ab"}, {"status": 200, "body": b"", "headers": {"content-length": "2"}}),
        ({"status": 200, "headers": {"Content-Length": "2"}, "body": b"ab"}, {"status": 200, "headers": {"content-length": "2"}, "body": b""}),
        ({"status": 200, "headers": {"content-length": "9"}}, {"status": 200, "headers": {"content-length": "9"}}),
        ({"status": 204}, {"status": 204}),
        ({"status": 200, "stream": "s"}, {"status": 200, "stream": "s"}),
    ],
    ids=str,
)
def test_head_response(response: Any, expected: Any) -> None:
    before = repr(response)
    assert head_response(response) == expected
    assert repr(response) == before


async def test_over_the_wire(tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_bytes(b"pear")

    async def handler(request: Any) -> Any:
        return file(tmp_path / "a.txt") if request["path"] == "/file" else await only_get(request)

    async with client(build_server(apply_middleware(wrap_head())(handler))) as c:
        answers = [await c.head(path) for path in ("/", "/file")]
    assert [(answer["status"], answer["body"], answer["headers"]["content-length"]) for answer in answers] == [(200, b"", "5"), (200, b"", "4")]
