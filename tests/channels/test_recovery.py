"""shallot.channels.recovery: who comes back goes on behind its cursor or hears of one gap, and one read serves all."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from shallot.channels.contract import Page, Position
from shallot.channels.log import WINDOW_S
from shallot.channels.recovery import ATTEMPTS
from shallot.channels.resource import Channels
from shallot.channels.topics import Topics
from shallot.errors import Unavailable
from shallot.testing import virtual_time
from shallot.testing.channels_unruly import Unruly, UnrulyLink

TOPICS = {"few": {"keep": 3}, "*": {"keep": 5000}}


@asynccontextmanager
async def nodes(count: int = 2, **options):
    backend = Unruly(**options)
    all_of_them = [Channels(backend, TOPICS) for _ in range(count)]
    for node in all_of_them:
        await node.__aenter__()
    try:
        yield backend, *all_of_them
    finally:
        for node in all_of_them:
            await node.__aexit__(None, None, None)


async def fill(node: Channels, channel: str, count: int) -> list[str]:
    return [(await node.publish(channel, number))["cursor"] for number in range(count)]


async def hear(node: Channels, channel: str, cursor: str | None, count: int) -> list[object]:
    async with node.subscription(channel, cursor=cursor) as messages, asyncio.timeout(20):
        heard = [await anext(messages) for _ in range(count)]
    return [message["data"] if "data" in message else (message["reason"], message["missed"]) for message in heard]


@virtual_time
async def test_without_a_cursor_it_is_now():
    async with nodes(1) as (_, node):
        await fill(node, "a", 3)
        async with node.subscription("a") as messages:
            assert messages.result == {"cursor": messages.cursor, "recovered": False, "missed": 0}
            await node.publish("a", "new")
            assert (await anext(messages))["data"] == "new"


@virtual_time
async def test_what_a_node_still_holds_is_not_read():
    async with nodes() as (backend, one, other), one.subscription("a"):
        cursors = await fill(other, "a", 10)
        await asyncio.sleep(1)
        assert await hear(one, "a", cursors[3], 6) == [4, 5, 6, 7, 8, 9]
        assert backend.reads == 0


@pytest.mark.parametrize("count", [3, 300, 1000], ids=str)
def test_what_it_does_not_hold_is_read_a_page_at_a_time(count):
    @virtual_time
    async def run():
        async with nodes(1) as (_, node):
            cursors = await fill(node, "a", count)
            assert await hear(node, "a", cursors[0], count - 1) == list(range(1, count))

    run()


@virtual_time
async def test_one_read_serves_all_who_come_back_at_once():
    async with nodes() as (backend, one, other):
        cursors = await fill(one, "a", 100)
        async with other.subscription("a"):
            heard = await asyncio.gather(*(hear(other, "a", cursors[number % 90], 99 - number % 90) for number in range(1000)))
        assert heard == [list(range(number % 90 + 1, 100)) for number in range(1000)]
        assert backend.reads == 1


@virtual_time
async def test_who_comes_while_others_are_read_for_is_read_for_next():
    async with nodes(1) as (backend, node):
        cursors = await fill(node, "a", 10)
        async with node.subscription("a"):
            backend.slow_s = 0.5
            first = asyncio.create_task(hear(node, "a", cursors[5], 4))
            await asyncio.sleep(0.05)
            second = asyncio.create_task(hear(node, "a", cursors[2], 7))
            assert await first == [6, 7, 8, 9]
            assert await second == [3, 4, 5, 6, 7, 8, 9]
            backend.slow_s = 0
        assert backend.reads == 2


@virtual_time
async def test_gaps():
    async with nodes() as (_, one, other):
        cursors = await fill(one, "few", 10)
        epoch, offset, identity = cursors[-1].split(".")
        for node in (one, other):
            for _ in range(2):  # from the backend, and from what the node holds then
                assert await hear(node, "few", cursors[0], 5) == [("trimmed", 5), 6, 7, 8, 9]
                assert await hear(node, "few", "forged", 5) == [("cursor", None), 6, 7, 8, 9]
                assert await hear(node, "few", f"other.{offset}.{identity}", 5) == [("epoch", None), 6, 7, 8, 9]
                assert await hear(node, "few", f"{epoch}.{offset}.other", 5) == [("rollback", None), 6, 7, 8, 9]
                assert await hear(node, "few", f"{epoch}.11.other", 5) == [("rollback", None), 6, 7, 8, 9]
                assert await hear(node, "few", cursors[6], 3) == [7, 8, 9]


@virtual_time
async def test_what_subscribe_gives_says_what_the_gap_says():
    async with nodes(1) as (_, node):
        cursors = await fill(node, "few", 10)
        async with node.subscription("few", cursor=cursors[0]) as messages:
            gap = await anext(messages)
            assert messages.result == {"cursor": gap["cursor"], "recovered": False, "missed": 5}
            assert gap == {"type": "channel.gap", "channel": "few", "reason": "trimmed", "missed": 5, "cursor": messages.cursor}
        assert node.stats()["gaps"] == 1


@virtual_time
async def test_many_with_different_fates_are_served_by_one_read():
    async with nodes() as (backend, one, other):
        cursors = await fill(one, "few", 10)
        async with other.subscription("few"):
            fates = await asyncio.gather(hear(other, "few", "forged", 5), hear(other, "few", cursors[0], 5), hear(other, "few", cursors[7], 2))
        assert fates == [[("cursor", None), 6, 7, 8, 9], [("trimmed", 5), 6, 7, 8, 9], [8, 9]]
        assert backend.reads == 1


@virtual_time
async def test_who_stands_at_the_newest_that_was_trimmed_has_missed_nothing():
    async with nodes() as (backend, one, other):
        cursors = await fill(one, "few", 10)
        async with other.subscription("few"):
            fates = await asyncio.gather(hear(other, "few", "forged", 5), hear(other, "few", cursors[5], 4), hear(other, "few", cursors[5], 4))
            assert fates == [[("cursor", None), 6, 7, 8, 9], [6, 7, 8, 9], [6, 7, 8, 9]]
            assert backend.reads == 2
            assert await hear(other, "few", cursors[5], 4) == [6, 7, 8, 9]
            assert backend.reads == 2
        async with other.subscription("few"):
            assert await hear(other, "few", "forged", 5) == [("cursor", None), 6, 7, 8, 9]
            assert await hear(other, "few", cursors[5], 4) == [6, 7, 8, 9]


@virtual_time
async def test_the_cursor_of_a_gap_holds_on_every_node():
    async with nodes(3) as (_, one, other, third), one.subscription("few"), third.subscription("few"):
        cursors = await fill(one, "few", 10)
        async with other.subscription("few", cursor="forged") as messages:
            place = messages.cursor
            assert await hear(other, "few", cursors[5], 4) == [6, 7, 8, 9]
            assert await hear(other, "few", place, 4) == [6, 7, 8, 9]
        assert await hear(one, "few", place, 4) == [6, 7, 8, 9]


@virtual_time
async def test_a_repeat_after_a_rollback_is_news_for_who_was_away():
    async with nodes(1) as (backend, node):
        cursors = await fill(node, "a", 8)
        async with node.subscription("a") as messages:
            cursors += [(await node.publish("a", number))["cursor"] for number in (8, 9)]
            restore = backend.snapshot()
            await node.publish("a", "late", id="late")
            assert [(await anext(messages))["data"] for _ in range(3)] == [8, 9, "late"]
            restore()
            now, kept = asyncio.get_running_loop().time(), Topics(TOPICS, local=False).find("a").kept
            for identity in ("other", "late"):  # another node says it, and again what was lost, before this one is back
                backend.memory.store("a", b'"%s"' % identity.encode(), identity, kept, now)
            await asyncio.sleep(1)
            assert await hear(node, "a", cursors[2], 9) == [3, 4, 5, 6, 7, 8, 9, "other", "late"]
            assert [message.get("data", message.get("reason")) for message in [await anext(messages) for _ in range(2)]] == ["rollback", "other"]


@virtual_time
async def test_when_all_has_expired():
    async with nodes(1) as (_, node):
        cursors = await fill(node, "a", 3)
        await asyncio.sleep(400)
        async with node.subscription("a", cursor=cursors[0]) as messages:
            assert ((await anext(messages))["reason"], messages.result["missed"]) == ("trimmed", 2)
        async with node.subscription("a", cursor=cursors[2]) as messages:
            assert messages.result["recovered"]


@virtual_time
async def test_a_window_that_reaches_further_back_than_the_backend():
    async with nodes(1) as (backend, node), node.subscription("few"):
        cursors = await fill(node, "few", 8)
        assert await hear(node, "few", cursors[1], 6) == [2, 3, 4, 5, 6, 7]
        assert await hear(node, "few", "forged", 9) == [("cursor", None), *range(8)]
        assert backend.reads == 1


@virtual_time
async def test_a_cursor_of_a_node_that_was_ahead():
    async with nodes() as (backend, one, other), other.subscription("a") as messages:
        backend.lose = 1
        cursors = await fill(one, "a", 5)
        assert await hear(other, "a", cursors[1], 3) == [2, 3, 4]
        assert [(await anext(messages))["data"] for _ in range(5)] == [0, 1, 2, 3, 4]


@virtual_time
async def test_a_cursor_of_an_epoch_that_is_news():
    async with nodes() as (backend, one, other), other.subscription("a"):
        await fill(one, "a", 1)
        restore = backend.snapshot()
        backend.forget()
        await asyncio.sleep(1)
        cursors = await fill(one, "a", 5)
        restore_again = backend.snapshot()
        restore()
        await asyncio.sleep(5)
        restore_again()
        await asyncio.sleep(0.001)
        assert await hear(other, "a", cursors[1], 3) == [2, 3, 4]


@virtual_time
async def test_a_cursor_of_the_past_after_the_window_has_moved_on():
    async with nodes(1) as (_, node), node.subscription("a"):
        cursors = await fill(node, "a", 5)
        await asyncio.sleep(2 * WINDOW_S)
        assert await hear(node, "a", cursors[0], 4) == [1, 2, 3, 4]


# ---- a backend that changes under the read


def scripted(monkeypatch, pages):
    """Let the next reads give ``pages`` (functions of what the backend would have said), then the truth."""
    read = UnrulyLink.read

    async def instead(self, channel, after, limit):
        page = await read(self, channel, after, limit)
        return pages.pop(0)(page) if pages else page

    monkeypatch.setattr(UnrulyLink, "read", instead)


def another_epoch(page: Page) -> Page:
    return page._replace(head=Position("other", 1, "x"))


def short(page: Page) -> Page:
    return page._replace(entries=page.entries[:1])


def trimmed(page: Page) -> Page:
    return page._replace(gap="trimmed")


def the_same(page: Page) -> Page:
    return page


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param([short], id="less-than-there-is"),
        pytest.param([the_same, trimmed], id="trimmed-between-pages"),
    ],
)
def test_what_does_not_fit_is_read_again(pages, monkeypatch):
    @virtual_time
    async def run():
        async with nodes(1) as (_, node):
            cursors = await fill(node, "a", 600)
            async with node.subscription("a"):
                scripted(monkeypatch, list(pages))
                assert await hear(node, "a", cursors[0], 599) == list(range(1, 600))

    run()


@virtual_time
async def test_a_message_that_was_not_told_yet_is_found_meanwhile():
    async with nodes() as (backend, one, other), other.subscription("a"):
        cursors = await fill(one, "a", 3)
        backend.late_s = 0
        assert await hear(other, "a", cursors[0], 2) == [1, 2]


def test_a_channel_that_changes_faster_than_it_can_be_read(monkeypatch):
    @virtual_time
    async def run():
        async with nodes(1) as (_, node):
            cursors = await fill(node, "a", 10)
            async with node.subscription("a"):
                scripted(monkeypatch, [short, the_same] * ATTEMPTS)
                with pytest.raises(Unavailable, match="channel 'a' changes faster than it can be read"):
                    await hear(node, "a", cursors[0], 9)
                assert node.stats()["readers"] == 1

    run()


def test_all_who_wait_hear_of_a_failure_and_who_has_gone_is_not_missed(monkeypatch):
    @virtual_time
    async def run():
        async with nodes(1) as (backend, node):
            cursors = await fill(node, "a", 10)
            async with node.subscription("a"):
                backend.slow_s = 0.2
                for pages, count in ([short, the_same] * ATTEMPTS, 2), ([], 0):
                    scripted(monkeypatch, list(pages))
                    waiting = [asyncio.create_task(hear(node, "a", cursors[number], 9 - number)) for number in range(3)]
                    await asyncio.sleep(0.1)
                    waiting[0].cancel()
                    results = await asyncio.gather(*waiting, return_exceptions=True)
                    assert isinstance(results[0], asyncio.CancelledError)
                    assert sum(isinstance(result, Unavailable) for result in results) == count
                backend.slow_s = 0

    run()


@virtual_time
async def test_a_rollback_that_only_the_one_who_comes_back_has_seen():
    async with nodes(1) as (backend, node), node.subscription("a") as messages:
        await fill(node, "a", 5)
        await asyncio.sleep(0.1)
        shelf = backend.memory._shelves["a"]
        for number in range(5):
            shelf.entries[number] = shelf.entries[number]._replace(id=f"new{number}")
        shelf.head = shelf.head._replace(id="new4")
        cursor = f"{shelf.head.epoch}.3.new2"
        assert await hear(node, "a", cursor, 2) == [3, 4]
        heard = [await anext(messages) for _ in range(11)]
        assert [message.get("data", message.get("reason")) for message in heard] == [0, 1, 2, 3, 4, "rollback", 0, 1, 2, 3, 4]


# ---- offsets with holes


@virtual_time
async def test_a_position_between_messages():
    async with nodes(1, contiguous=False) as (_, node):
        async with node.subscription("a") as messages:
            start = messages.cursor
            cursors = await fill(node, "a", 5)
            await asyncio.sleep(0.1)
            channel = node._hub.channels["a"]
            epoch = channel.log.last.epoch
            channel.log.window = {10 * offset: one for offset, one in channel.log.window.items()}
            for one in channel.log.window.values():
                one.position = one.position._replace(offset=one.position.offset * 10)
            assert await hear(node, "a", f"{epoch}.25.", 3) == [2, 3, 4]
            assert await hear(node, "a", start, 5) == [0, 1, 2, 3, 4]
            assert len(cursors) == 5


@virtual_time
async def test_a_short_page_is_all_there_is():
    async with nodes(1, contiguous=False) as (_, node):
        cursors = await fill(node, "a", 10)
        assert await hear(node, "a", cursors[3], 6) == [4, 5, 6, 7, 8, 9]
        assert await hear(node, "few", "forged", 1) == [("cursor", None)]
