"""Streams out: whole, or visibly cut; and closed on every path."""

from __future__ import annotations

import time

import httpx2
import pytest

from .conftest import Live
from .wire import Wire


async def test_a_stream_arrives_whole_and_is_closed(live: Live) -> None:
    answer = await live.http("GET", live.path("counts?to=1000"))
    assert answer.body == b"".join(b"%d\n" % number for number in range(1000))
    assert answer.complete
    assert await live.seen("finally") == ["finally"]


async def test_HEAD_does_not_begin_a_stream(live: Live) -> None:
    async with await Wire.connect(live.server.port) as wire:
        assert (await wire.request("HEAD", live.path("drips"))).status == 200
        assert (await wire.request("GET", "/plain")).body == b"hello"


@pytest.mark.parametrize("leave", [Wire.drop, Wire.reset], ids=["fin", "reset"])
@pytest.mark.parametrize("page", ["drips", "silence"])
async def test_a_stream_is_closed_when_the_client_leaves(live: Live, page: str, leave: object) -> None:
    wire = await Wire.connect(live.server.port)
    await wire.write(f"GET {live.path(page)} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
    await wire.until(b"\r\n\r\n")
    await wire.until(b"drip" if page == "drips" else b"one")
    began = time.monotonic()
    (Wire.drop if leave is Wire.drop else Wire.reset)(wire)
    assert await live.seen("finally") == ["finally"]
    assert time.monotonic() - began < 3


async def test_an_error_after_the_first_byte_cuts_the_connection(live: Live) -> None:
    answer = await live.http("GET", live.path("breaks"))
    assert (answer.status, answer.body, answer.complete) == (200, b"first", False)
    assert await live.seen("finally") == ["finally"]


async def test_a_client_library_reports_the_cut(live: Live) -> None:
    async with httpx2.AsyncClient() as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get(live.server.url + live.path("breaks"))


async def test_a_slow_reader_is_let_go_after_send_s(live: Live) -> None:
    wire = await Wire.connect(live.server.port, receive_buffer=4096)
    await wire.write(f"GET {live.path('tight/firehose')} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
    assert await live.seen("finally") == ["begin", "finally"]
    wire.reset()
