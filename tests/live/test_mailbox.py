"""Timers, feeds and effects of the app's own, over real sockets."""

from __future__ import annotations

import json

from .conftest import Live
from .wire import TEXT, Closed


async def test_timers_fire_beside_what_the_client_says(live: Live) -> None:
    async with await live.wire("timers") as wire:
        heard = [(await wire.frame())[1].decode() for _ in range(5)]
        assert heard == ["once", "tick 1", "tick 2", "tick 3", "cancelled"]
        await wire.send("hi")
        assert await wire.frame() == (TEXT, b"heard hi")
        await wire.close()
        await wire.closed()
    assert (await live.seen("on_close"))[0] == "on_disconnect"


async def test_feeds_join_the_mailbox_and_are_closed(live: Live) -> None:
    async with await live.wire("feeds") as wire:
        assert [json.loads((await wire.frame())[1]) for _ in range(4)] == [["short", 0], ["short", 1], ["short", 2], ["short", "ended"]]
        await wire.send("endless")
        assert json.loads((await wire.frame())[1]) == ["endless", 100]
        await wire.send("unfeed")
        while (said := (await wire.frame())[1]) != b"unfed":
            assert json.loads(said)[0] == "endless"
        assert await live.seen("feed to None closed") == ["feed to 3 closed", "feed to None closed"]
        await wire.send("endless")
        assert json.loads((await wire.frame())[1]) == ["endless", 100]
        await wire.close()
        await wire.closed()
    lines = await live.seen("on_close")
    assert lines[2:4] in (["feed to None closed", "on_disconnect"], ["on_disconnect", "feed to None closed"])


async def test_an_effect_of_ones_own_answers_at_the_yield(live: Live) -> None:
    async with await live.wire("asks") as wire:
        assert await wire.frame() == (TEXT, b"42")
        assert await wire.closed() == Closed(1000, "")
