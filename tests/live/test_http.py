"""HTTP over real servers: answers, refusals, and what a wrong response becomes."""

from __future__ import annotations

import asyncio
import json

import httpx2
import pytest

from .conduct import expected
from .conftest import Live
from .pages import PAYLOAD
from .wire import Wire


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/plain", 200, b"hello"),
        ("GET", "/plain/", 200, b"hello"),
        ("HEAD", "/plain", 200, b""),
        ("GET", "/nowhere", 404, None),
        ("POST", "/plain", 405, None),
        ("DELETE", "/show/k", 405, None),
        ("GET", "/show/k", 405, None),
        ("POST", "/doubled", 202, b"done"),
        ("GET", "/config", 200, b'{"thing":"a thing","started":"by on_start"}'),
    ],
)
async def test_one_answer(live: Live, method: str, path: str, status: int, body: bytes | None) -> None:
    answer = await live.http(method, path)
    assert (answer.status, answer.complete) == (status, True)
    assert body is None or answer.body == body


async def test_HEAD_has_the_headers_of_GET(live: Live) -> None:
    got, head = await live.http("GET", "/plain"), await live.http("HEAD", "/plain")
    assert head.headers["content-length"] == got.headers["content-length"] == "5"
    assert head.headers["content-type"] == got.headers["content-type"]


async def test_methods_are_told(live: Live) -> None:
    refused, asked = await live.http("DELETE", "/show/k"), await live.http("OPTIONS", "/show/k")
    assert {method.strip() for method in refused.headers["allow"].split(",")} >= {"POST", "PUT"}
    assert asked.status in (200, 204)
    assert {method.strip() for method in asked.headers["allow"].split(",")} >= {"POST", "PUT", "OPTIONS"}


async def test_cookies_come_and_go_one_by_one(live: Live) -> None:
    async with httpx2.AsyncClient(base_url=live.server.url) as client:
        answer = await client.get("/cookies", headers={"cookie": "c=3; d=4"})
        assert answer.json() == {"c": "3", "d": "4"}
        assert [line.partition(";")[0] for line in answer.headers.get_list("set-cookie")] == ["a=1", "b=2", "layer=seen"]


@pytest.mark.parametrize(
    "what", ["none", "status", "text-body", "header-value", "header-name", "header-nul", "too-long", "too-short", "204-with-body", "101-to-http"]
)
async def test_a_wrong_response_is_a_plain_500_on_a_connection_that_stays_usable(live: Live, what: str) -> None:
    async with await Wire.connect(live.server.port) as wire:
        answer = await wire.request("GET", f"/bad/{what}")
        assert (answer.status, answer.complete) == (500, True)
        assert answer.body
        assert "set-cookie" not in answer.headers or "e=1" not in answer.headers["set-cookie"]
        assert (await wire.request("GET", "/plain")).body == b"hello"


async def test_a_handler_that_raises_tells_nothing(live: Live) -> None:
    answer = await live.http("GET", "/fails")
    assert (answer.status, answer.complete) == (500, True)
    assert b"secret" not in answer.body


async def test_a_handler_that_hangs_is_ended_with_503(live: Live) -> None:
    answer = await live.http("GET", live.path("tight/hangs"))
    assert (answer.status, answer.complete) == (503, True)
    assert await live.seen("finally") == ["finally"]


async def test_a_plain_function_does_not_hold_up_the_loop(live: Live) -> None:
    blocked = asyncio.create_task(live.http("GET", "/blocks"))
    assert (await live.http("POST", "/releases")).status == 200
    assert (await blocked).body == b"released"


async def test_a_file(live: Live) -> None:
    answer = await live.http("GET", "/file")
    assert (answer.status, answer.complete) == (200, True)
    assert answer.headers["content-type"].startswith("text/x-python")
    assert answer.body == PAYLOAD.read_bytes()


async def test_HEAD_of_a_file_has_no_body(live: Live) -> None:
    async with await Wire.connect(live.server.port) as wire:
        answer = await wire.request("HEAD", "/file")
        assert (answer.status, answer.headers["content-length"]) == (200, str(len(PAYLOAD.read_bytes())))
        assert (await wire.request("GET", "/plain")).body == b"hello"


async def test_an_answer_carries_headers_of_middlewares_errors_included(live: Live) -> None:
    for path in ("/plain", "/nowhere", "/show/k"):
        assert (await live.http("GET", path)).headers["x-layer"] == "GET"


async def test_many_requests_on_one_connection(live: Live) -> None:
    async with await Wire.connect(live.server.port) as wire:
        for number in range(50):
            answer = await wire.request("POST", f"/show/{live.key}", body=b"x" * number)
            assert answer.body == b"x" * number


LIMITED = {
    "431-many": ({f"x-{number}": "a" for number in range(140)}, "/plain", 431),
    "431-large": ({"x-large": "a" * 40_000}, "/plain", 431),
    "414": ({}, "/plain?" + "a" * 17_000, 414),
    "400-host": ({"host": "evil.com/x?"}, "/plain", 400),
    "400-hosts": ({"host": "a, b"}, "/plain", 400),
    "400-path": ({}, "/a%00b", 400),
}


@pytest.mark.parametrize("row", LIMITED)
async def test_what_no_server_refuses_is_refused(live: Live, row: str) -> None:
    headers, path, status = LIMITED[row]
    assert (await live.http("GET", path, headers)).status == expected(row, live.server, status)


@pytest.mark.needs("curl")
async def test_curl(live: Live) -> None:
    curl = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--max-time", "5", "--data", "a=1", "--include", live.server.url + live.path("show")), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await curl.communicate()
    head, _, body = output.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"a=1"


async def test_the_window_tells_what_the_lifespan_did(live: Live) -> None:
    lines = json.loads((await live.http("GET", "/seen/lifespan?mark=on_start")).body)
    assert lines == ["thing enters", "on_start"]
