"""Too much, too large, too slow, nothing at all: what is held is bounded, and every wait has an end."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import connect

from .conduct import told
from .conftest import Live
from .wire import TEXT, Closed


async def test_a_client_that_never_reads_ends_after_send_s(live: Live) -> None:
    before = await live.gauges()
    wire = await live.wire("floods_client", receive_buffer=4096)
    lines = await live.seen("on_close")
    begin, finished, *hooks = lines
    assert begin == "begin"
    assert finished.startswith("finally after ")
    assert hooks[-1].endswith(" server")
    wire.reset()
    await live.settled({"ours": before["ours"]})


async def test_a_flood_is_held_in_bounds_and_nothing_of_it_is_lost(live: Live) -> None:
    many = 20_000
    async with connect(f"{live.server.ws_url}{live.path(f'holds?until={many}')}", compression=None) as websocket:
        assert await websocket.recv() == "holding"

        async def flood() -> None:
            for _ in range(many):
                await websocket.send("x" * 500)

        flooding = asyncio.create_task(flood())
        done, _ = await asyncio.wait([flooding], timeout=0.5)  # 10 MB: more than the kernel and any server take
        held = (await live.seen("websocket.receive")).count("websocket.receive")
        await live.go()
        async with asyncio.timeout(30):
            await flooding
            assert await websocket.recv() == f"read {many}"
    assert held <= 9  # max_unread, and the one that was on its way
    assert not done
    assert f"finally after {many}" in await live.seen("on_close")


async def test_a_handler_that_never_reads_is_send_only_after_unread_s(live: Live) -> None:
    wire = await live.wire("send_only")
    assert await wire.frame() == (TEXT, b"not listening")
    for _ in range(50):
        await wire.send("x" * 1000)
    await wire.close(4001, "so long")
    await wire.closed()
    wire.drop()
    lines = await live.seen("on_close")
    assert lines == ["finally", "on_disconnect", f"on_close {told(live.server, 'close')} client"]


async def test_reading_after_having_been_taken_as_send_only_raises(live: Live) -> None:
    async with await live.wire("send_only") as wire:
        assert await wire.frame() == (TEXT, b"not listening")
        for _ in range(10):
            await wire.send("x")
        await asyncio.sleep(1.5)  # there is no event for what is not done: several times unread_s
        await live.go()
        assert await wire.frame() == (TEXT, b"too late")
        assert await wire.closed() == Closed(1000, "")
        await wire.close()
    assert (await live.seen("on_close"))[0].startswith("reading raised ")


async def test_a_reader_that_is_stuck_while_full_ends_with_1008(live: Live) -> None:
    async with await live.wire("stuck") as wire:
        for _ in range(20):
            await wire.send("x")
        assert await wire.frame() == (TEXT, b"stuck")
        closed = await wire.closed()
        assert closed is not None
        assert closed.code == 1008
        await wire.close()
    lines = await live.seen("on_close")
    assert lines[:2] == ["got 'x'", "finally"]
    assert lines[-1].startswith("on_close 1008 ")


@pytest.mark.parametrize(("message", "answer"), [("x" * 1000, b"1000"), (b"x" * 1000, b"1000"), ("\u20ac" * 333, b"333")], ids=["text", "bytes", "characters"])
async def test_a_message_of_max_message_bytes_passes(live: Live, message: str | bytes, answer: bytes) -> None:
    async with await live.wire("small") as wire:
        await wire.send(message)
        assert await wire.frame() == (TEXT, answer)


@pytest.mark.parametrize("message", ["x" * 1001, b"x" * 1001, "\u20ac" * 334, "x" * 3_000_000], ids=["text", "bytes", "characters", "much"])
async def test_a_larger_one_is_closed_with_1009(live: Live, message: str | bytes) -> None:
    async with await live.wire("small") as wire:
        await wire.send(message)
        closed = await wire.closed()
        assert closed is not None
        assert closed.code == 1009
        await wire.close()
    lines = await live.seen("on_close")
    assert lines[0] == "finally"
    assert lines[-1].startswith("on_close 1009 ")
    assert lines[-1].endswith(" server")


async def test_an_idle_conversation_is_closed_with_1001(live: Live) -> None:
    async with await live.wire("idle") as wire:
        for _ in range(4):  # longer than idle_s in all
            await asyncio.sleep(0.15)
            await wire.send("still here")
            assert await wire.frame() == (TEXT, b"still here")
        closed = await wire.closed()
        assert closed is not None
        assert closed.code == 1001
        await wire.close()
    lines = await live.seen("on_close")
    assert lines[0] == "finally"
    assert lines[-1].startswith("on_close 1001 ")
