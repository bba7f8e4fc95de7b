"""shallot.channels.subscription: a reader with its place, its mailbox and its member; and the one that is iterated outside conversations."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from shallot.channels.contract import LinkLost
from shallot.channels.reader import Reader
from shallot.channels.resource import Channels
from shallot.channels.subscription import Wish, open_reader
from shallot.errors import CloseWith, EffectRefused, Unavailable
from shallot.testing import virtual_time
from shallot.testing.channels_unruly import Unruly

TOPICS = {"here": {"presence": True, "max_members": 1}, "slow": {"lag": 2}}


@asynccontextmanager
async def node(**options):
    backend = Unruly()
    async with Channels(backend, TOPICS, **options) as channels:
        yield backend, channels
        backend.thaw()


@virtual_time
async def test_the_cursor_follows_what_was_heard():
    async with node() as (_, channels), channels.subscription("a") as messages:
        assert aiter(messages) is messages
        cursors = [(await channels.publish("a", number))["cursor"] for number in range(3)]
        for number in range(3):
            assert (await anext(messages))["data"] == number
            assert messages.cursor == cursors[number]


@virtual_time
async def test_words_without_a_cursor_leave_it():
    async with node() as (_, channels), channels.subscription("here", member={"id": "ann"}) as messages:
        before = messages.cursor
        assert (await anext(messages))["type"] == "channel.joined"
        assert messages.cursor == before


@virtual_time
async def test_the_end_of_the_channels_ends_the_iteration():
    async with node() as (_, channels):
        context = channels.subscription("a")
        messages = await context.__aenter__()
        await channels.publish("a", 1)
    assert [message async for message in messages] == []
    assert messages.cursor == messages.result["cursor"], "what was not taken will be, with the cursor"
    await context.__aexit__(None, None, None)


@virtual_time
async def test_a_reader_that_was_too_slow():
    async with node() as (_, channels), channels.subscription("slow") as messages:
        for number in range(5):
            await channels.publish("slow", number)
        await asyncio.sleep(0.1)
        with pytest.raises(CloseWith, match="1013 too slow"):
            await anext(messages)


@virtual_time
async def test_a_subscription_that_nobody_began_is_empty():
    async with node() as (_, channels):
        context = channels.subscription("a")
        messages = await context.__aenter__()
        await context.__aexit__(None, None, None)
        messages._reader = None
        assert [message async for message in messages] == []


@virtual_time
async def test_I2_cancelled_wherever_it_waits():
    async with node() as (backend, channels):
        backend.slow_s = 0.01
        for number in range(60):
            task = asyncio.create_task(channels.subscription("here", cursor="x", member={"id": "ann"}).__aenter__())
            await asyncio.sleep(number / 1000)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                break
        assert number > 20
        backend.slow_s = 0
        await asyncio.sleep(20)
        stats = channels.stats()
        assert (stats["channels"], stats["readers"]) == (0, 0)
        assert await channels.members("here") == {}


def wish(**changes) -> Wish:
    return Wish("a", None, "close", 0, None, b"")._replace(**changes)


async def never(reader):
    raise AssertionError("it did not begin")


@virtual_time
async def test_a_mailbox_that_takes_nobody_leaves_nothing():
    def refuse(reader):
        raise EffectRefused("the client has left")

    async with node() as (_, channels):
        with pytest.raises(EffectRefused, match="the client has left"):
            await open_reader(channels._hub, wish(), 1, refuse, never)
        assert channels.stats()["channels"] == 0


@virtual_time
async def test_a_channel_that_cannot_be_read_in_time():
    async with node(subscribe_s=1.0) as (backend, channels), channels.subscription("a"):
        backend.freeze()
        with pytest.raises(Unavailable, match=r"^channel 'a': what was missed could not be read within 1 s$"):
            async with channels.subscription("a", cursor="forged"):
                pass
        assert channels.stats()["readers"] == 1


@virtual_time
async def test_a_channel_without_a_log():
    async with node() as (_, channels), channels.subscription("a"):
        channel = channels._hub.channels["a"]
        log, channel.log = channel.log, None
        with pytest.raises(Unavailable, match="channel 'a' is not attached"):
            async with channels.subscription("a"):
                pass
        channel.log = log


@virtual_time
async def test_a_channel_that_the_backend_refuses():
    async with node() as (backend, channels):
        backend.deny = 1
        before = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable, match=r"^channel 'a' is not attached: full$"):
            async with channels.subscription("a"):
                pass
        assert asyncio.get_running_loop().time() - before < 1
        assert channels.stats()["channels"] == 0


def begin(reader):
    reader.open(lambda first=False: None, 1)


@virtual_time
async def test_a_member_that_cannot_come_takes_its_reader_along():
    async with node(subscribe_s=1.0) as (_, channels):
        member = wish(channel="here", member="ann", data=b'{"id":"ann"}')
        reader, _ = await open_reader(channels._hub, member, 1, begin, Reader.close)
        with pytest.raises(EffectRefused, match="has 1 members on this machine already"):
            await open_reader(channels._hub, member._replace(member="bob"), 1, begin, Reader.close)
        assert channels.stats()["readers"] == 1
        await reader.close()
        assert channels.stats()["readers"] == 0


@virtual_time
async def test_a_conversation_that_ended_while_its_member_came():
    async with node() as (backend, channels):
        readers = []

        def remember(reader):
            begin(reader)
            readers.append(reader)

        (link,) = backend.links
        join = link.join

        async def late(channel, node, members):
            await readers[0].close()
            await join(channel, node, members)

        link.join = late
        async with channels.subscription("here"):
            await open_reader(channels._hub, wish(channel="here", member="ann", data=b'{"id":"ann"}'), 1, remember, Reader.close)
            await asyncio.sleep(11)
            assert await channels.members("here") == {}
        assert channels.stats()["readers"] == 0


@virtual_time
async def test_a_link_that_breaks_under_a_subscribe_is_not_noticed():
    async with node() as (backend, channels):
        for link in backend.links:
            attach = link.attach
            calls = []

            async def fail(names, attach=attach, calls=calls):
                calls.append(names)
                raise LinkLost("now")

            link.attach = fail
        async with channels.subscription("a") as messages:
            await channels.publish("a", 1)
            assert (await anext(messages))["data"] == 1
        assert calls == [["a"]]
