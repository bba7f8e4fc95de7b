"""The door: accepting, refusing, and what middlewares put on either answer."""

from __future__ import annotations

import asyncio
import json

import pytest

from .conduct import expected
from .conftest import Live
from .wire import TEXT, UPGRADE, Answer, Closed, Wire


async def _knock(live: Live, path: str, headers: dict[str, str] | None = None) -> Answer:
    async with await Wire.connect(live.server.port) as wire:
        return await wire.upgrade(path, headers)


@pytest.mark.parametrize(("answer", "status"), [("401", 401), ("close", 403), ("raise", 500), ("hang", 503), ("nothing", 500)])
async def test_a_shut_door_is_an_http_answer(live: Live, answer: str, status: int) -> None:
    denied = await _knock(live, live.path(f"door?answer={answer}"))
    assert denied.status == status
    assert f"secret of {live.key}".encode() not in denied.body
    assert denied.complete
    lines = await live.seen("on_connect")
    assert [line for line in lines if line != "on_connect finally"] == ["on_connect"]
    assert live.server.log.count(f"RuntimeError: secret of {live.key}\n") == (1 if answer == "raise" else 0)


async def test_a_denial_keeps_its_body_and_headers_and_those_of_the_middlewares(live: Live) -> None:
    denied = await _knock(live, live.path("door?answer=401"))
    added = {name: denied.headers.get(name, "").partition(";")[0] for name in ("www-authenticate", "x-layer", "set-cookie")}
    assert denied.body == b"who are you?"
    assert added == {"www-authenticate": "Bearer", "x-layer": "WS", "set-cookie": "layer=seen"}


async def test_an_accept_carries_the_headers_and_cookies_of_middlewares_and_of_on_connect(live: Live) -> None:
    async with await Wire.connect(live.server.port) as wire:
        accepted = await wire.upgrade(live.path("negotiated?choose=v2"), {"sec-websocket-protocol": "v1, v2"})
        assert accepted.status == 101
        assert accepted.headers["sec-websocket-protocol"] == "v2"
        added = {name: accepted.headers.get(name, "").partition(";")[0] for name in ("x-layer", "x-from-accept", "set-cookie")}
        assert added == expected("accept headers", live.server, {"x-layer": "WS", "x-from-accept": "yes", "set-cookie": "layer=seen"})
        assert "content-type" not in accepted.headers
        assert await wire.frame() == (TEXT, b"ann")
        assert await wire.closed() == Closed(1000, "")
        await wire.close()
    assert await live.seen("on_close") == ["on_close of ann"]


@pytest.mark.parametrize("offered", ["v1", "", "evil,", "v"])
async def test_a_subprotocol_that_was_not_offered_is_left_out(live: Live, offered: str) -> None:
    async with await Wire.connect(live.server.port) as wire:
        accepted = await wire.upgrade(live.path("negotiated?choose=evil2"), {"sec-websocket-protocol": offered} if offered else None)
        assert accepted.status == 101
        assert "sec-websocket-protocol" not in accepted.headers
        assert await wire.frame() == (TEXT, b"ann")
        assert await wire.closed() == Closed(1000, "")


async def test_http_on_a_path_of_conversations_is_426(live: Live) -> None:
    answer = await live.http("GET", live.path("echo"))
    assert (answer.status, answer.headers.get("upgrade")) == (426, "websocket")


@pytest.mark.parametrize("path", ["/plain", "/no/such/path", "/tight/no/such/path"])
async def test_a_websocket_where_there_is_none_is_denied_with_404(live: Live, path: str) -> None:
    assert (await _knock(live, path)).status == 404


async def test_values_of_the_path_reach_the_handler_in_order(live: Live) -> None:
    async with await Wire.connect(live.server.port) as wire:
        assert (await wire.upgrade("/params/42/a/b%20c")).status == 101
        _, said = await wire.frame()
        assert json.loads(said) == [42, "a/b c", "params", "by on_start"]
        assert await wire.closed() == Closed(1000, "")


@pytest.mark.parametrize("path", ["/params/x/a", "/params/42"])
async def test_values_that_do_not_convert_are_denied_with_404(live: Live, path: str) -> None:
    assert (await _knock(live, path)).status == 404


@pytest.mark.needs("curl")
async def test_curl_sees_the_upgrade(live: Live) -> None:
    headers = [part for name, value in UPGRADE.items() for part in ("--header", f"{name}: {value}")]
    url = f"{live.server.url}{live.path('ends?say=one')}"
    curl = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--include", "--no-buffer", "--http1.1", "--max-time", "5", *headers, url), stdout=asyncio.subprocess.PIPE
    )
    assert curl.stdout
    output = await curl.stdout.readuntil(b"\x88\x02\x03\xe8")  # a close frame with 1000: curl would go on waiting
    curl.kill()
    await curl.communicate()
    assert output.startswith(b"HTTP/1.1 101")
    assert output.endswith(b"\r\n\r\n\x81\x03one\x88\x02\x03\xe8")
