from __future__ import annotations

from typing import Any

import pytest

from shallot import build_server, standard_not_found
from shallot.compose import apply_middleware
from shallot.errors import BadRequest, BodyTooLarge
from shallot.middlewares.body_limit import body_limit_request, wrap_body_limit
from shallot.middlewares.routing import wrap_routes
from shallot.response import text
from shallot.testing import client


def row(bound: Any) -> Any:
    return {"data": {"max_body_bytes": bound}}


@pytest.mark.parametrize(
    ("request_", "max_bytes", "error"),
    [
        pytest.param({}, 0, None, id="the smallest request"),
        pytest.param({"body": b"12345"}, None, None, id="no bound"),
        pytest.param({"body": b"12345"}, 5, None, id="as long as it may be"),
        pytest.param({"body": b"12345"}, 4, "a body of 5 bytes; the bound here is 4", id="longer"),
        pytest.param({"body": b"12345", "route": row(4)}, None, "a body of 5 bytes; the bound here is 4", id="the row's bound"),
        pytest.param({"body": b"12345", "route": row(4)}, 9, "a body of 5 bytes; the bound here is 4", id="the row lowers"),
        pytest.param({"body": b"12345", "route": row(9)}, 4, "a body of 5 bytes; the bound here is 4", id="the row does not raise"),
        pytest.param({"body": b"12345", "route": row(9)}, None, None, id="within the row's"),
        pytest.param({"body": b"1", "route": row(0)}, None, "a body of 1 bytes; the bound here is 0", id="none at all"),
        pytest.param({"body": b"12345", "route": {"data": {}}}, None, None, id="a row without a bound"),
        pytest.param({"body": b"", "headers": {"content-length": "5"}}, 4, "a body of 5 bytes; the bound here is 4", id="declared"),
        pytest.param({"type": "websocket", "body": b""}, 0, None, id="a WebSocket"),
    ],
)
def test_request(request_: Any, max_bytes: int | None, error: str | None) -> None:
    if error is None:
        assert body_limit_request(request_, max_bytes) is request_
    else:
        with pytest.raises(BodyTooLarge) as caught:
            body_limit_request(request_, max_bytes)
        assert str(caught.value) == error


def test_a_wrong_length_is_the_peers_fault() -> None:
    with pytest.raises(BadRequest):
        body_limit_request({"headers": {"content-length": "+5"}}, 4)


@pytest.mark.parametrize("bound", [-1, True, "9", 1.5], ids=repr)
def test_wrong_bounds(bound: Any) -> None:
    with pytest.raises(ValueError, match=f"^wrap_body_limit: max_bytes must be a whole number of bytes, not {bound!r}$"):
        wrap_body_limit(max_bytes=bound)
    with pytest.raises(ValueError, match=f"^wrap_body_limit: a row's max_body_bytes must be a whole number of bytes, not {bound!r}$"):
        body_limit_request({"route": row(bound)}, None)


def test_what_a_row_says_is_checked_at_the_start() -> None:
    def routes(bound: Any) -> Any:
        return wrap_routes([("/a", ["POST"], measure, {"max_body_bytes": bound})])

    with pytest.raises(ValueError, match="^wrap_body_limit: max_body_bytes of the row '/a' must be a whole number of bytes, not '9'$"):
        apply_middleware(routes("9"), wrap_body_limit())(standard_not_found)
    with pytest.raises(ValueError, match="^wrap_body_limit: the row '/a' has max_body_bytes, which only a wrap_body_limit inside wrap_routes sees"):
        apply_middleware(wrap_body_limit(), routes(9))(standard_not_found)


async def test_alone_it_asks_the_row() -> None:
    bare = apply_middleware(wrap_body_limit)(measure)
    assert (await bare({"body": b"12345"}))["body"] == b"5"  # type: ignore[typeddict-item]
    with pytest.raises(BodyTooLarge):
        await bare({"body": b"12345", "route": row(4)})


async def receive(request: Any) -> Any:
    size = 0
    async for chunk in request["stream"]:
        size += len(chunk)
    return text(str(size))


async def measure(request: Any) -> Any:
    return text(str(len(request["body"])))


async def test_in_an_app() -> None:
    routes: Any = [
        ("/small", ["POST"], measure, {"max_body_bytes": 10}),
        ("/other", ["POST"], measure),
        ("/stream", ["POST"], receive, {"max_body_bytes": 300}),
    ]
    handler = apply_middleware(wrap_routes(routes), wrap_body_limit(max_bytes=400))(standard_not_found)
    app = build_server(handler, stream_body=lambda scope: scope["path"] == "/stream")
    async with client(app) as c:
        for path, size, status in [
            ("/small", 10, 200),
            ("/small", 11, 413),
            ("/other", 400, 200),
            ("/other", 401, 413),
            ("/stream", 300, 200),
            ("/stream", 301, 413),
        ]:
            assert (await c.post(path, body=b"x" * size))["status"] == status
        assert (await c.post("/stream", chunks=[b"x" * 100] * 3))["body"] == b"300"
        assert (await c.post("/stream", chunks=[b"x" * 100] * 4))["status"] == 413
