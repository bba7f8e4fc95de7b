"""shallot.js in Chromium, through a proxy that cuts, against servers that go and come: what it hears, and that it hears it once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Page

from .brokers import Redis
from .faults import Proxy
from .servers import Server, serve
from .test_browser import chromium
from .wire import Wire

pytestmark = pytest.mark.needs("chromium")

BEGIN = """([path, options]) => {
    window.seen = []; window.told = []
    window.room = connect(path, { minWait: 50, maxWait: 400, patience: 1, ...options })
    const tell = ({ type, detail }) => told.push([type, detail?.state ?? detail?.reason ?? detail])
    for (const type of ["state", "gap", "close", "unsent"]) room.addEventListener(type, tell)
    room.addEventListener("message", ({ detail: { data } }) => { if (data.type == "channel.message") seen.push([data.channel.at(-1), data.data]) })
}"""


class Here(NamedTuple):
    page: Page
    proxy: Proxy
    key: str = "k"

    async def begin(self, path: str, **options: Any) -> None:
        await self.page.evaluate(BEGIN, [f"{path}", options])

    async def until(self, condition: str) -> None:
        await self.page.wait_for_function(condition, timeout=15_000)

    async def value(self, expression: str) -> Any:
        return await self.page.evaluate(expression)

    async def tell(self, *said: tuple[str, int]) -> None:
        async with await Wire.connect(self.proxy.behind) as wire:
            for channel, number in said:
                assert (await wire.request("POST", f"/tell/k/{channel}/{number}")).status == 202


@asynccontextmanager
async def browse(server: Server) -> AsyncIterator[Here]:
    async with Proxy(server.port) as proxy, chromium() as browser:
        page = await (await browser.new_context()).new_page()
        await page.goto(f"http://127.0.0.1:{proxy.port}/")
        await page.wait_for_function("window.connect")
        yield Here(page, proxy)
        await page.evaluate("window.room?.close()")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve("uvicorn", "tests.live.client_rooms:app", tmp_path / "log") as running:
        yield running


@pytest.mark.parametrize("room", ["numbers", "events"])
async def test_after_a_cut_it_goes_on_where_it_was(server: Server, room: str) -> None:
    async with browse(server) as here:
        await here.begin(f"/{room}/k?told=1")
        await here.until("room.state == 'open' && room.cursor")
        assert await here.value("room.transport") == {"numbers": "websocket", "events": "events"}[room]
        said = [("a", 1), ("b", 1)]
        await here.tell(*said)
        for round in range(3):
            await here.until(f"seen.length == {len(said)}")
            await here.proxy.refuse()
            here.proxy.cut()
            await here.until("room.state == 'waiting'")
            more = [("b", 10 + round), ("a", 20 + round), ("a", 30 + round)]
            await here.tell(*more)
            said += more
            await here.proxy.accept()
            await here.until(f"room.state == 'open' && seen.length == {len(said)}")
        seen = await here.value("seen")
        for channel in "ab":
            assert [number for name, number in seen if name == channel] == [number for name, number in said if name == channel]
        assert not await here.value("told.some(([type]) => type == 'gap')")


@pytest.mark.parametrize("room", ["numbers", "events"])
async def test_what_was_said_before_the_first_message_is_not_lost(server: Server, room: str) -> None:
    async with browse(server) as here:
        await here.begin(f"/{room}/k?told=1")
        await here.until("room.state == 'open' && room.cursor?.includes('b=')")
        await here.proxy.refuse()
        here.proxy.cut()
        await here.tell(("a", 1), ("b", 2))
        await here.proxy.accept()
        await here.until("seen.length == 2")


async def test_of_more_channels_than_a_url_holds_the_rest_is_told_of_a_gap(server: Server) -> None:
    names = "[...new URLSearchParams(room.cursor).keys()]"
    async with browse(server) as here:
        await here.begin("/many/k/300")
        await here.until(f"room.state == 'open' && {names}.includes('k:299')")
        assert await here.value("room.cursor.length") <= 2048
        kept = await here.value(names)
        assert "" in kept and len(kept) < 100
        here.proxy.cut()
        await here.until(f"told.filter(([type]) => type == 'gap').length == {300 - (len(kept) - 1)}")


async def test_what_comes_twice_is_heard_once(server: Server) -> None:
    async with browse(server) as here:
        await here.begin("/numbers/k?twice=1")
        await here.until("room.state == 'open'")
        await here.tell(*(("a", number) for number in range(20)))
        await here.until("seen.length >= 20")
        await here.tell(("b", 1))
        await here.until("seen.at(-1)[0] == 'b'")
        assert await here.value("seen") == [["a", number] for number in range(20)] + [["b", 1]]


async def test_what_is_said_offline_waits_within_bounds(server: Server) -> None:
    async with browse(server) as here:
        await here.begin("/numbers/k", maxQueue=2)
        await here.until("room.state == 'open'")
        await here.value("room.send('now')")
        await here.until("seen.length == 1")
        await here.proxy.refuse()
        here.proxy.cut()
        await here.until("room.state == 'waiting'")
        assert await here.value("[room.send('one'), room.send('two'), room.send('three'), room.queued]") == [True, True, False, 2]
        await here.proxy.accept()
        await here.until("seen.length == 3")
        assert await here.value("seen") == [["a", "now"], ["a", "one"], ["a", "two"]]


@pytest.mark.parametrize(("code", "state"), [(1001, "open"), (1012, "open"), (1013, "open"), (1000, "closed"), (1008, "closed"), (4000, "closed")])
async def test_a_close_says_whether_to_come_again(server: Server, code: int, state: str) -> None:
    async with browse(server) as here:
        await here.begin("/numbers/k", patience=2)
        await here.until("room.state == 'open'")
        await here.value(f"room.send('{code}')")
        await here.until(f"told.length > 2 && room.state == '{state}'")
        assert (await here.value("told"))[-1:] == ([["close", "as you wish"]] if state == "closed" else [["state", "open"]])
        assert await here.value("room.transport") == "websocket"


async def test_close_is_the_end_of_it_and_nothing_can_be_said_any_more(server: Server) -> None:
    async with browse(server) as here:
        await here.begin("/numbers/k")
        await here.until("room.state == 'open'")
        assert await here.value("(room.close(4001, 'enough'), room.close(), [room.state, room.send('x')])") == ["closed", False]
        assert await here.value("told") == [["state", "open"], ["state", "closed"], ["close", "enough"]]


async def test_where_no_socket_gets_through_it_hears_events_and_gives_back_what_it_cannot_say(server: Server) -> None:
    async with browse(server) as here:
        await here.begin("/events/k", patience=2, minWait=400)
        await here.value("room.send({ say: 'this' })")
        await here.until("room.transport == 'events' && room.state == 'open'")
        await here.tell(("a", 7))
        await here.until("seen.length == 1")
        assert await here.value("room.send('x')") is False
        assert ["unsent", ['{"say":"this"}']] in await here.value("told")


async def test_a_server_that_comes_back_without_its_memory_is_one_gap_each(server: Server, tmp_path: Path) -> None:
    async with browse(server) as here:
        await here.begin("/numbers/k?told=1")
        await here.until("room.cursor?.includes('b=')")
        await asyncio.to_thread(server.terminate)
        await here.until("room.state == 'waiting' || room.state == 'connecting'")
        with serve("uvicorn", "tests.live.client_rooms:app", tmp_path / "second") as second:
            here.proxy.behind = second.port
            await here.until("told.filter(([type]) => type == 'gap').length == 2 && room.state == 'open'")
            await here.tell(("a", 5))
            await here.until("seen.length == 1")
            assert await here.value("told.filter(([type]) => type == 'gap')") == [["gap", "epoch"]] * 2
            await here.value("room.close()")


@pytest.mark.needs("redis-server")
@pytest.mark.parametrize("room", ["numbers", "events"])
async def test_a_server_dies_and_another_goes_on_with_nothing_lost(tmp_path: Path, room: str) -> None:
    with ExitStack() as stack:
        environ = {"REDIS_URL": stack.enter_context(Redis()).url}
        first, second = (stack.enter_context(serve("uvicorn", "tests.live.client_rooms:app", tmp_path / name, environ=environ)) for name in ("1", "2"))
        async with browse(first) as here:
            await here.begin(f"/{room}/k?told=1")
            await here.until("room.cursor?.includes('b=')")
            said = [("a", 1), ("b", 2)]
            await here.tell(*said)
            await here.until("seen.length == 2")
            first.process.kill()
            here.proxy.behind = second.port
            more = [("a", number) for number in range(10, 20)]
            await here.tell(*more)
            await here.until("seen.length == 12")
            assert sorted(map(tuple, await here.value("seen"))) == sorted(said + more)
            assert not await here.value("told.some(([type]) => type == 'gap')")
