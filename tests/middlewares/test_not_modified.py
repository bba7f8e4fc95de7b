from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shallot import build_server
from shallot.codec.dates import format_date
from shallot.compose import apply_middleware
from shallot.middlewares.compress import wrap_compress
from shallot.middlewares.not_modified import not_modified_response, with_etag, wrap_not_modified
from shallot.response import filestream, html, json, text
from shallot.testing import client

PAGE = text("apple")
TAG = '"ab373b9c035e2916cbf17792a55b60e8"'
NOW = 1_700_000_000
BEFORE, THEN, LATER = (format_date(NOW + shift) for shift in (-1, 0, 1))


def asking(method: str = "GET", **headers: str) -> dict[str, Any]:
    return {"type": "http", "method": method, "headers": {name.replace("_", "-"): value for name, value in headers.items()}}


async def answer(response: Any, request: Any, **options: Any) -> Any:
    async def handler(request: Any) -> Any:
        return response

    before = repr(response)
    answered: Any = await apply_middleware(wrap_not_modified(**options))(handler)(request)
    assert repr(response) == before
    return answered


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"if_none_match": TAG}, 304),
        ({"if_none_match": f'"x", W/{TAG}'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"x"'}, 200),
        ({"if_match": TAG}, 200),
        ({"if_match": '"x"'}, 412),
        ({"if_match": '"x"', "if_none_match": TAG}, 412),
        ({"if_modified_since": LATER}, 200),
    ],
)
async def test_conditions(method: str, headers: Any, status: int) -> None:
    response = await answer(PAGE, asking(method, **headers))
    assert response["status"] == status
    assert response["headers"].get("etag") == (None if status == 412 else TAG)
    assert response["body"] == {200: b"apple", 304: b"", 412: response["body"]}[status]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if_modified_since": THEN}, 304),
        ({"if_modified_since": LATER}, 304),
        ({"if_modified_since": BEFORE}, 200),
        ({"if_modified_since": "yesterday"}, 200),
        ({"if_unmodified_since": BEFORE}, 412),
        ({"if_unmodified_since": THEN}, 200),
        ({"if_none_match": '"x"', "if_modified_since": THEN}, 200),
        ({"if_none_match": "*"}, 304),
        ({"if_match": '"x"'}, 412),
    ],
)
async def test_dates_of_the_handler(headers: Any, status: int) -> None:
    response = {"status": 200, "headers": {"Last-Modified": THEN}, "body": b"apple"}
    assert (await answer(response, asking(**headers), etag=False))["status"] == status


async def test_what_a_304_keeps() -> None:
    response = {
        "status": 200,
        "headers": {
            **{"ETag": '"1"', "vary": "accept", "cache-control": "max-age=5", "set-cookie": ["a=b"], "expires": LATER, "content-location": "/a"},
            **{"Content-Type": "text/plain", "content-length": "5", "accept-ranges": "bytes", "content-language": "en"},
        },
        "body": b"apple",
        "cookies": {"c": {"value": "d"}},
        "effects": [{"type": "x"}],
    }
    assert await answer(response, asking(if_none_match='"1"')) == {
        "status": 304,
        "headers": {"ETag": '"1"', "vary": "accept", "cache-control": "max-age=5", "set-cookie": ["a=b"], "expires": LATER, "content-location": "/a"},
        "body": b"",
        "cookies": {"c": {"value": "d"}},
        "effects": [{"type": "x"}],
    }


@pytest.mark.parametrize(
    "response",
    [
        pytest.param({"status": 200, "headers": {"ETag": '"1"'}, "body": b"a"}, id="a tag of its own"),
        pytest.param({"status": 200, "headers": {"Cache-Control": "private, no-store"}, "body": b"a"}, id="not to be kept"),
        pytest.param({"status": 200, "headers": {"cache-control": "No-Store"}, "body": b"a"}, id="not to be kept, in capitals (RFC 9111 5.2)"),
        pytest.param({"status": 200, "body": b""}, id="no body"),
        pytest.param({"status": 200}, id="no body at all"),
        pytest.param({"status": 201, "body": b"a"}, id="another status"),
        pytest.param({"status": 404, "body": b"a"}, id="an error"),
    ],
)
def test_no_tag_is_made(response: Any) -> None:
    assert with_etag(response) is response


@pytest.mark.parametrize(
    ("response", "request_"),
    [
        pytest.param({"status": 404, "headers": {"etag": '"1"'}}, asking(if_none_match='"1"'), id="an error"),
        pytest.param({"status": 200, "headers": {"etag": '"1"'}}, asking("PUT", if_none_match='"1"'), id="a method that changes something"),
        pytest.param({"status": 200, "body": b"a"}, asking(if_none_match="*"), id="neither tag nor date"),
        pytest.param({"status": 200, "headers": {"etag": ['"1"', '"2"']}}, asking(if_none_match='"1"'), id="two tags"),
        pytest.param({"status": 200, "headers": {"last-modified": [THEN]}}, asking(if_modified_since=THEN), id="a list of dates"),
    ],
)
def test_left_alone(response: Any, request_: Any) -> None:
    assert not_modified_response(response, request_) is response


@pytest.mark.parametrize("request_", [asking("PUT", if_none_match="*"), {"type": "websocket", "method": "WS", "headers": {"if-none-match": "*"}}])
async def test_other_methods_and_websockets_go_untouched(request_: Any) -> None:
    assert await answer(PAGE, request_) is PAGE


async def test_tags_differ_with_the_body_and_only_with_it() -> None:
    tags = [(await answer(made, asking()))["headers"]["etag"] for made in (text("a"), html("a"), text("b"), json([1]))]
    assert (tags[0] == tags[1], len(set(tags))) == (True, 3)


async def test_no_tags_of_our_own() -> None:
    assert await answer(PAGE, asking(if_none_match="*"), etag=False) is PAGE


@pytest.mark.parametrize(("asked", "closed"), [('"1"', 1), ('"2"', 0)])
async def test_a_stream_that_is_not_sent_is_closed(asked: str, closed: int) -> None:
    class Chunks(AsyncIterator[bytes]):
        closed = 0

        async def __anext__(self) -> bytes:
            raise StopAsyncIteration

        async def aclose(self) -> None:
            self.closed += 1

    chunks = Chunks()
    response = await answer({"status": 200, "headers": {"etag": '"1"'}, "stream": chunks}, asking(if_none_match=asked))
    assert ("stream" in response, chunks.closed) == (not closed, closed)


async def test_a_stream_that_cannot_be_closed() -> None:
    class Bare(AsyncIterator[bytes]):
        async def __anext__(self) -> bytes:
            raise StopAsyncIteration

    assert (await answer({"status": 200, "headers": {"etag": '"1"'}, "stream": Bare()}, asking(if_none_match='"1"')))["status"] == 304
    assert (await answer(filestream("none", {"etag": '"1"'}), asking(if_none_match='"1"')))["status"] == 304


async def test_a_large_body_is_read_in_the_threads_of_the_app() -> None:
    threads = []

    async def run_in_thread(function: Any, /, *args: Any) -> Any:
        return await asyncio.to_thread(lambda: (threads.append(threading.get_ident()), function(*args))[1])

    for size in (262_143, 262_144):
        response = await answer({"status": 200, "body": bytes(size)}, {**asking(), "run_in_thread": run_in_thread})
        assert response["headers"]["etag"].startswith('"')
    assert [thread != threading.get_ident() for thread in threads] == [True]


async def test_inside_wrap_compress() -> None:
    async def handler(request: Any) -> Any:
        return html("<p>apple</p>" * 200)

    async with client(build_server(apply_middleware(wrap_compress(["gzip"]), wrap_not_modified())(handler))) as c:
        first = await c.get("/", headers={"accept-encoding": "gzip"})
        again = await c.get("/", headers={"accept-encoding": "gzip", "if-none-match": first["headers"]["etag"]})
    assert (first["headers"]["etag"][:3], again["status"], again["body"], again["headers"]["etag"]) == ('W/"', 304, b"", first["headers"]["etag"])
    assert again["headers"]["vary"] == "accept-encoding"
