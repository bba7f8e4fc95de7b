"""Conversations over Server-Sent Events on every server: whole, resumed without loss, left in every way, cut, and shut down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shallot.codec.event_stream import parse_events

from .conduct import expected
from .conftest import Live
from .servers import KINDS, serve
from .wire import Answer, Wire

EVENTS = {"accept": "text/event-stream"}
_numbers = iter(range(1_000_000))


@pytest.fixture(scope="module", params=KINDS)
def events_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serve(request.param, "tests.live.event_rooms:app", tmp_path_factory.mktemp("events") / "log") as running:
        yield running


@pytest.fixture
def live(events_server: Any) -> Live:
    return Live(events_server, f"e{next(_numbers)}")


async def ask(live: Live, room: str, **headers: str) -> Answer:
    return await live.http("GET", live.path(room), {**EVENTS, **{name.replace("_", "-"): value for name, value in headers.items()}})


class Reader:
    """One stream of events, read piece by piece."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._data = b""
        self._events: list[Any] = []

    @classmethod
    async def of(cls, live: Live, room: str, last: str | None = None, *, receive_buffer: int | None = None) -> Reader:
        wire = await Wire.connect(live.server.port, receive_buffer=receive_buffer)
        back = "" if last is None else f"last-event-id: {last}\r\n"
        await wire.write(f"GET {live.path(room)} HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n{back}\r\n".encode())
        assert b" 200 " in (await wire.until(b"\r\n\r\n")).split(b"\r\n")[0]
        return cls(wire)

    async def next(self) -> Any:
        """The next event; ``None`` at the whole end of the stream."""
        while not self._events:
            size = int(await self.wire.until(b"\r\n"), 16)
            self._data += await self.wire.exactly(size)
            await self.wire.exactly(2)
            if not size:
                return None
            self._events, self._data = parse_events(self._data)
        return self._events.pop(0)

    async def word(self) -> Any:
        """The next event that is more than a place."""
        while (event := await self.next()).get("event") == "place":
            pass
        return event

    async def said(self, count: int) -> list[str]:
        """The next ``count`` texts."""
        texts: list[str] = []
        while len(texts) < count:
            event = await self.next()
            self.last = event.get("id", getattr(self, "last", None))
            texts += [event["data"]] if "event" not in event else []
        return texts


async def test_a_conversation_arrives_whole_as_events(live: Live) -> None:
    answer = await ask(live, "ends?say=one+two", origin="https://a.example")
    assert (answer.status, answer.complete) == (200, True)
    assert answer.headers["content-type"] == "text/event-stream"
    assert (answer.headers["set-cookie"].startswith("layer=seen"), answer.headers["access-control-allow-origin"]) == (True, "https://a.example")
    assert parse_events(answer.body)[0] == [
        {"data": "one"},
        {"data": "two"},
        {"event": "close", "data": '{"code":1000,"reason":""}', "id": "end"},
    ]
    assert await live.seen("on_close") == ["finally", "on_close 1000 '' server"]
    assert (await ask(live, "ends", last_event_id="end")).status == 204


async def test_who_does_not_ask_for_events_is_told_to_upgrade_and_a_socket_is_as_ever(live: Live) -> None:
    plain = await live.http("GET", live.path("ends"))
    assert (plain.status, plain.headers["upgrade"]) == (426, "websocket")
    async with await live.wire("ends?say=one") as wire:
        assert await wire.frame() == (1, b"one")
    head = await live.http("HEAD", live.path("sends"), EVENTS)
    assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")


async def test_a_failure_is_told_without_its_text(live: Live) -> None:
    answer = await ask(live, "fails")
    assert b"event: close" in answer.body and b"1011" in answer.body and b"secret" not in answer.body
    assert answer.complete


async def test_timers_speak_to_who_only_listens(live: Live) -> None:
    reader = await Reader.of(live, "timers")
    assert await reader.said(5) == ["once", "tick 1", "tick 2", "tick 3", "cancelled"]
    reader.wire.drop()


@pytest.mark.parametrize("leave", ["drop", "reset"])
@pytest.mark.parametrize("room", ["echo", "sends", "sleeps", "waits"])
async def test_leaving_is_noticed(live: Live, room: str, leave: str) -> None:
    reader = await Reader.of(live, room)
    if room in ("sends", "sleeps"):
        await reader.said(1)
    else:
        await live.seen("begin")
    began = time.monotonic()
    getattr(reader.wire, leave)()
    lines = await live.seen("on_close")
    assert time.monotonic() - began < 3
    assert lines[-3:] == ["finally", "on_disconnect", "on_close 1005 '' client"]


async def test_a_client_that_comes_again_misses_nothing_and_hears_nothing_twice(live: Live) -> None:
    numbers = iter(range(100))
    told: dict[str, list[int]] = {"a": [], "b": []}

    async def tell(*channels: str) -> None:
        for channel in channels:
            told[channel].append(next(numbers))
            assert (await live.http("POST", f"/tell/{live.key}/{channel}/{told[channel][-1]}")).status == 202

    reader = await Reader.of(live, "numbers")
    assert (await reader.next())["event"] == "place", "where it stands is told before anything is said"
    await tell("a", "b", "a")
    heard = await reader.said(3)
    for leave in ("drop", "reset"):
        getattr(reader.wire, leave)()
        await tell("b", "a", "a")
        reader = await Reader.of(live, "numbers", reader.last)
        await tell("b")
        heard += await reader.said(4)
    reader.wire.drop()
    for channel, expected_numbers in told.items():
        assert [int(text[2:]) for text in heard if text[0] == channel] == expected_numbers


async def test_a_client_that_takes_nothing_is_let_go(live: Live) -> None:
    reader = await Reader.of(live, "floods", receive_buffer=4096)
    await live.seen("begin")
    assert (await live.seen("on_close"))[-2:] == ["finally", "on_close 1006 '' server"]
    reader.wire.reset()


async def test_nothing_is_left_behind(live: Live) -> None:
    await ask(live, "ends")
    before = await live.gauges()
    for room in ("echo", "sends", "sleeps", "waits", "numbers") * 10:
        reader = await Reader.of(live, room)
        reader.wire.reset()
    await live.settled({"ours": before["ours"], "generators": before["generators"], "fds": before["fds"]})


@pytest.mark.parametrize("name", KINDS)
async def test_SIGTERM_asks_all_to_come_again(name: str, tmp_path: Path) -> None:
    """On uvicorn after its --timeout-graceful-shutdown, which cancels; on hypercorn by a cancellation, too."""
    journal = tmp_path / "journal"
    with serve(name, "tests.live.event_rooms:app", tmp_path / "log", environ={"LIVE_JOURNAL": str(journal)}) as server:
        live = Live(server, "k")
        readers = [await Reader.of(live, room) for room in ("echo", "sleeps", "numbers")]
        for reader in readers[1:]:
            await reader.next()
        ended = asyncio.create_task(asyncio.to_thread(server.terminate))
        if is_held := expected("a stream keeps it from ending", server, False):
            assert not (await asyncio.wait([ended], timeout=2))[0], server.log
        words = [None if is_held else await reader.word() for reader in readers]
        for reader in readers:
            reader.wire.drop()
        await ended
    lines = journal.read_text().splitlines()
    assert words == [None if is_held else {"event": "close", "data": '{"code":1012,"reason":""}'}] * 3, server.log
    by = {line.split()[-1] for line in lines if " on_close " in line}
    assert by <= {"client", "server"} if is_held else by == {"server"}  # held, the last of them may end with the server itself
    assert sum(line.endswith(" finally") for line in lines) == sum(" on_close " in line for line in lines) == 3
    assert lines[-1] == "lifespan on_stop"
