"""Bodies in, over real sockets: bounded, in time, whole or not at all."""

from __future__ import annotations

import time

import pytest

from .conduct import expected
from .conftest import Live
from .wire import Wire

CHUNKED = {"transfer-encoding": "chunked"}


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


@pytest.mark.parametrize(
    ("headers", "body"),
    [({"content-length": "1001"}, b"x" * 1001), ({"content-length": "5000000"}, b""), (CHUNKED, chunked(b"x" * 600, b"x" * 600))],
    ids=["announced", "announced-only", "chunked"],
)
async def test_a_body_over_body_bytes_is_413_and_never_reaches_the_handler(live: Live, headers: dict[str, str], body: bytes) -> None:
    answer = await live.http("POST", live.path("tight/show"), headers, body)
    assert answer.status == 413
    assert await _lines(live) == []


@pytest.mark.parametrize(
    ("headers", "body"), [({"content-length": "1000"}, b"x" * 1000), (CHUNKED, chunked(b"x" * 400, b"x" * 600))], ids=["announced", "chunked"]
)
async def test_a_body_of_body_bytes_passes(live: Live, headers: dict[str, str], body: bytes) -> None:
    assert (await live.http("POST", live.path("tight/show"), headers, body)).body == b"x" * 1000


async def test_a_slow_body_is_408(live: Live) -> None:
    async with await Wire.connect(live.server.port) as wire:
        began = time.monotonic()
        answer = await wire.request("POST", live.path("tight/show"), {"content-length": "100"}, b"x")
        assert answer.status == 408
        assert time.monotonic() - began < 5
    assert await _lines(live) == []


async def test_a_body_that_breaks_off_never_reaches_the_handler(live: Live) -> None:
    before = await live.gauges()
    for leave in (Wire.drop, Wire.reset, Wire.half_close):
        wire = await Wire.connect(live.server.port)
        await wire.write(f"POST {live.path('show')} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc".encode())
        leave(wire)
    await live.settled({"ours": before["ours"]})
    assert await _lines(live) == []
    wire.drop()


async def test_a_length_that_is_no_number_is_400(live: Live) -> None:
    for length in ("+5", "1_0", "-1", "x"):
        answer = await live.http("POST", live.path("show"), {"content-length": length}, b"hello")
        assert answer.status == 400
    assert await _lines(live) == []


async def test_a_length_and_chunks_are_not_both_believed(live: Live) -> None:
    answer = await live.http("POST", live.path("show"), {"content-length": "5", **CHUNKED}, chunked(b"hello"))
    assert answer.status == expected("length and chunks", live.server, 400)


async def test_a_streamed_body_is_read_piece_by_piece(live: Live) -> None:
    answer = await live.http("POST", live.path("swallows"), CHUNKED, chunked(*[b"x" * 65_536] * 40))
    assert (answer.status, answer.body) == (200, b"2621440")
    assert await live.seen("finally") == ["begin", "finally after 2621440"]


async def test_a_streamed_body_over_stream_bytes_is_413(live: Live) -> None:
    answer = await live.http("POST", live.path("tight/swallows"), CHUNKED, chunked(b"x" * 600, b"x" * 600))
    assert answer.status == 413
    assert (await live.seen("finally"))[-1].startswith("finally after ")


async def test_a_streamed_body_that_breaks_off_ends_the_handler(live: Live) -> None:
    wire = await Wire.connect(live.server.port)
    await wire.write(f"POST {live.path('swallows')} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc".encode())
    await live.seen("begin")
    wire.reset()
    assert (await live.seen("finally"))[-1].startswith("finally after ")


async def _lines(live: Live) -> list[str]:
    """What the handler wrote down: asked after the answer, so that there is nothing to wait for."""
    answer = await live.http("GET", f"/seen/{live.key}?seconds=0")
    return [] if answer.body == b"[]" else answer.body.decode().split(",")
