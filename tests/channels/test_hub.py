"""shallot.channels.hub: a node attaches what is heard and nothing else, tells of links that come and go, and audits what it was told."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest

from shallot.channels.channel import Channel
from shallot.channels.contract import Entry, LinkLost, Present
from shallot.channels.hub import AUDIT_S, MANY, Hub
from shallot.channels.presence import GRACE_S
from shallot.channels.reader import Reader
from shallot.channels.resource import Channels
from shallot.channels.topics import Topics
from shallot.errors import Unavailable
from shallot.testing import virtual_time
from shallot.testing.channels_unruly import Unruly, UnrulyLink

TOPICS = Topics({"here": {"presence": True}}, local=False)


@asynccontextmanager
async def running(backend: Unruly | None = None):
    hub = Hub(backend or Unruly(), TOPICS, "node", GRACE_S)
    hub.start()
    try:
        await asyncio.wait_for(hub.is_up.wait(), 5)
        yield hub
    finally:
        await hub.stop()
        assert hub._tasks == set()


def attached(backend: Unruly) -> set[str]:
    return {name for name, links in backend.memory._hearing.items() if links}


def store(backend: Unruly, channel: Channel, identity: str) -> None:
    """A message that another node has published."""
    backend.memory.store(channel.name, b"1", identity, channel.topic.kept, asyncio.get_running_loop().time())


def enter_unheard(backend: Unruly) -> None:
    """Ann is here by another node, and no node was told."""
    backend.memory.renew("other", 3600, asyncio.get_running_loop().time())
    backend.memory._members["here"] = {("other", "ann"): b'{"id":"ann"}'}


async def let_go(hub: Hub, *names: str) -> None:
    for name in names:
        hub.channels[name].users -= 1
        hub.channels[name].drop()
    await asyncio.sleep(0.1)


@virtual_time
async def test_what_is_heard_is_attached_and_nothing_else():
    backend = Unruly()
    async with running(backend) as hub:
        await asyncio.gather(*(hub.hold(name, 1) for name in "aabc"))
        assert attached(backend) == {"a", "b", "c"}
        await let_go(hub, "a", "b")
        assert attached(backend) == {"a", "c"}
        await let_go(hub, "a", "c")
        assert attached(backend) == set()
        assert hub.channels == {}
    assert backend.memory._hearing == {}


@virtual_time
async def test_many_are_attached_at_a_time():
    sizes = []

    class Counting(Unruly):
        pass

    backend = Counting()
    async with running(backend) as hub:
        (link,) = backend.links
        attach, detach = link.attach, link.detach

        async def counted(names):
            sizes.append(len(names))
            return await attach(names)

        async def counted_too(names):
            sizes.append(-len(names))
            await detach(names)

        link.attach, link.detach = counted, counted_too
        await asyncio.gather(*(hub.hold(f"c{number}", 5) for number in range(1100)))
        assert sizes == [MANY, MANY, 1100 - 2 * MANY]
        await let_go(hub, *(f"c{number}" for number in range(1100)))
        assert sizes[3:] == [-MANY, -MANY, 2 * MANY - 1100]


@virtual_time
async def test_a_channel_that_is_wanted_again_while_it_is_let_go():
    backend = Unruly()
    async with running(backend) as hub:
        await hub.hold("a", 1)
        backend.slow_s = 0.1
        for _ in range(20):
            hub.channels["a"].users -= 1
            hub.channels["a"].drop()
            await asyncio.sleep(0.03)
            await hub.hold("a", 2)
        assert attached(backend) == {"a"}
        stored = await hub.ask(lambda link: link.publish("a", b"1", "id1", hub.topics.find("a").kept), 2)
        await asyncio.sleep(0.2)
        assert hub.channels["a"].log.last == stored.position
        backend.slow_s = 0
        await let_go(hub, "a")


@pytest.mark.parametrize(("error", "links"), [(Unavailable("no"), 1), (LinkLost("gone"), 2)], ids=["refused", "lost"])
def test_a_channel_that_cannot_be_let_go(error, links, monkeypatch):
    async def detach(self, channels):
        monkeypatch.undo()
        raise error

    @virtual_time
    async def run():
        async with Channels(Unruly()) as node:
            async with node.subscription("kept") as messages:
                async with node.subscription("gone"):
                    monkeypatch.setattr(UnrulyLink, "detach", detach)
                await asyncio.sleep(1)
                assert node.stats()["links"] == links
                await node.publish("kept", 1)
                while (message := await anext(messages))["type"] != "channel.message":
                    pass
                assert message["data"] == 1

    run()


@virtual_time
async def test_a_channel_that_nobody_wants_any_more_when_the_backend_confirms():
    backend = Unruly()
    async with running(backend) as hub:
        backend.slow_s = 1
        waiting = asyncio.create_task(hub.hold("a", 5))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert hub.channels == {}
        await asyncio.sleep(5)
        assert attached(backend) == set()


@virtual_time
async def test_a_backend_that_does_not_confirm():
    backend = Unruly()
    async with running(backend) as hub:
        backend.freeze()
        with pytest.raises(Unavailable, match=r"^channel 'a': the backend has not confirmed within 1.5 s$"):
            await hub.hold("a", 1.5)
        assert hub.channels == {}
        backend.thaw()


@virtual_time
async def test_after_a_cut_all_is_attached_again():
    backend = Unruly()
    async with running(backend) as hub:
        for name in ("a", "b", "here"):
            await hub.hold(name, 1)
        backend.cut()
        await asyncio.sleep(1)
        assert attached(backend) == {"a", "b", "here"}
        assert hub.line.links == 2
        await let_go(hub, "a", "b", "here")


def deny(backend: Unruly, *names: str) -> None:
    """No room for ``names``, until ``allow``."""
    (link,) = backend.links
    attach = UnrulyLink.attach

    async def denied(channels):
        if set(names) & set(channels):
            raise Unavailable("no room")
        return await attach(link, channels)

    link.attach = denied


@virtual_time
async def test_a_channel_that_is_refused_keeps_no_other_waiting():
    backend = Unruly()
    async with running(backend) as hub:
        deny(backend, "c3")
        found = await asyncio.gather(*(hub.hold(f"c{number}", 1) for number in range(9)))
        assert [channel.log is None for channel in found] == [number == 3 for number in range(9)]
        assert str(found[3].refusal) == "no room"
        await let_go(hub, *(f"c{number}" for number in range(9)))
        del next(iter(backend.links)).attach
        assert (await hub.hold("c3", 1)).log is not None
        assert hub.line.links == 1
        await let_go(hub, "c3")


@virtual_time
async def test_a_channel_that_is_refused_when_nobody_wants_it_any_more():
    backend = Unruly()
    async with running(backend) as hub:
        deny(backend, "a")
        waiting = asyncio.create_task(hub.hold("a", 1))
        await asyncio.sleep(0)
        hub.channels.clear()
        await asyncio.wait([waiting])
        assert isinstance(waiting.exception(), Unavailable)
        assert hub._new == {}


@virtual_time
async def test_a_channel_that_is_heard_and_refused_on_another_link_is_asked_for_again(caplog):
    backend = Unruly()
    async with running(backend) as hub:
        for name in ("a", "b"):
            await hub.hold(name, 1)
        backend.refuse = 1
        backend.cut()
        await asyncio.sleep(5)
        backend.refuse, backend.deny = 0, 1
        await asyncio.sleep(5)
        backend.deny = 0
        deny(backend, "a")
        await asyncio.sleep(5)
        assert (attached(backend), hub.line.links) == ({"b"}, 2)
        assert "channel 'a' is not heard: no room; trying again" in caplog.text
        assert words(hub, "b") == ["channel.stale"], "a node is not fresh before all of it is"
        store(backend, hub.channels["a"], "id1")
        del next(iter(backend.links)).attach
        await asyncio.sleep(3)
        assert (attached(backend), hub.line.links) == ({"a", "b"}, 2)
        assert hub.channels["a"].log.last.id == "id1"
        assert words(hub, "a") == words(hub, "b") == ["channel.stale", "channel.fresh"]
        await let_go(hub, "a", "b")


def words(hub: Hub, name: str) -> list[str]:
    node, said = hub.channels[name].log.oldest, []
    while node is not None:
        said += [node.control["type"]] if node.control else []
        node = node.next
    return said


@virtual_time
async def test_stale_and_fresh_are_told_once():
    backend = Unruly()
    async with running(backend) as hub:
        await hub.hold("a", 1)
        backend.cut()
        await asyncio.sleep(5)
        assert words(hub, "a") == []
        backend.refuse = 1
        backend.cut()
        await asyncio.sleep(20)
        assert words(hub, "a") == ["channel.stale"]
        backend.refuse = 0
        await asyncio.sleep(5)
        assert words(hub, "a") == ["channel.stale", "channel.fresh"]
        await let_go(hub, "a")


@virtual_time
async def test_fresh_is_told_after_what_was_missed():
    backend = Unruly()
    async with running(backend) as hub:
        channel = await hub.hold("a", 1)
        backend.refuse = 1
        backend.cut()
        await asyncio.sleep(5)
        for number in range(3):
            store(backend, channel, f"id{number}")
        backend.refuse, backend.slow_s = 0, 0.2
        await asyncio.sleep(6)
        node, said = channel.log.oldest, []
        while node is not None:
            said.append(node.control["type"] if node.control else node.position.id)
            node = node.next
        assert said == ["", "channel.stale", "id0", "id1", "id2", "channel.fresh"]
        backend.slow_s = 0
        await let_go(hub, "a")


@virtual_time
async def test_what_is_told_of_channels_that_nobody_hears_is_nothing():
    async with running() as hub:
        hub.message("x", "e", Entry(1, "x", b"1"))
        hub.hint("x")
        hub.joined("x", Present("n", "ann", b"{}"))
        hub.left("x", "n", "ann")
        hub.lost(None)
        await hub.hold("a", 1)
        hub.joined("a", Present("n", "ann", b"{}"))
        hub.left("a", "n", "ann")
        hub.hint("a")
        await hub.channels["a"].is_settled()
        await let_go(hub, "a")


# ---- audits


@virtual_time
async def test_a_message_that_was_lost_in_silence_is_found():
    backend = Unruly()
    async with running(backend) as hub:
        channel = await hub.hold("a", 1)
        await hub.hold("b", 1)
        backend.lose = 1
        store(backend, channel, "id1")
        await asyncio.sleep(1)
        assert channel.log.last.offset == 0
        await asyncio.sleep(1.25 * AUDIT_S + 2)
        assert channel.log.last.offset == 1
        assert hub.counters["audits"] == 1
        await let_go(hub, "a", "b")


@virtual_time
async def test_an_audit_finds_nothing_where_nothing_is_lost():
    backend = Unruly()
    async with running(backend) as hub:
        channel = await hub.hold("a", 1)
        await hub.hold("b", 1)
        for number in range(300):
            store(backend, channel, f"id{number}")
            await asyncio.sleep(0.3)
            if number == 150:
                backend.slow_s = 0.5
                hub.channels["b"].users -= 1
                hub.channels["b"].drop()
        assert (hub.counters["audits"], hub.counters["reads"]) == (0, 0)
        backend.slow_s = 0
        await let_go(hub, "a")


@virtual_time
async def test_a_channel_that_is_let_go_during_an_audit():
    backend = Unruly()
    async with running(backend) as hub:
        await hub.hold("a", 1)
        (link,) = backend.links
        heads = link.heads

        async def late(names):
            found = await heads(names)
            await let_go(hub, "a")
            return found

        link.heads = late
        await asyncio.sleep(2 * AUDIT_S)
        assert hub.channels == {}


@virtual_time
async def test_an_audit_forgets_what_nobody_needs():
    backend = Unruly()
    async with running(backend) as hub:
        channel = await hub.hold("a", 1)
        for number in range(10):
            store(backend, channel, f"id{number}")
        await asyncio.sleep(1)
        assert len(channel.log.window) == 11
        await asyncio.sleep(60)
        assert len(channel.log.window) == 1
        await let_go(hub, "a")


# ---- members


@virtual_time
async def test_members_that_cannot_be_read_are_read_on_the_next_link(caplog):
    backend = Unruly()
    async with running(backend) as hub:
        channel = await hub.hold("here", 1)
        members = UnrulyLink.members

        async def fail(self, name):
            raise LinkLost("not now")

        with caplog.at_level(logging.DEBUG, "shallot.channels"):
            UnrulyLink.members = fail
            try:
                backend.cut()
                await asyncio.sleep(8)
                assert "its members were not read" in caplog.text
            finally:
                UnrulyLink.members = members
        backend.cut()
        await asyncio.sleep(5)
        assert not channel.crowd.is_expecting
        await let_go(hub, "here")


@virtual_time
async def test_a_list_of_members_that_a_link_takes_along_is_asked_for_on_the_next_one():
    backend = Unruly()
    async with running(backend) as hub:
        channel = await hub.hold("here", 1)
        (link,) = backend.links

        async def hang(name):
            await asyncio.sleep(3600)

        link.members = hang
        while not channel.crowd.is_expecting:  # noqa: ASYNC110
            await asyncio.sleep(1)
        enter_unheard(backend)
        backend.cut()
        await asyncio.sleep(1)
        assert not channel.crowd.is_expecting
        assert words(hub, "here") == ["channel.joined"]
        await let_go(hub, "here")


@virtual_time
async def test_what_is_let_go_without_a_link_is_not_remembered():
    backend = Unruly()
    async with running(backend) as hub:
        await hub.hold("a", 1)
        backend.refuse = 1
        backend.cut()
        for number in range(20):
            with pytest.raises(Unavailable):
                await hub.hold(f"b{number}", 0.1)
        await let_go(hub, "a")
        assert (hub.channels, hub._new, hub._gone) == ({}, {}, {})
        backend.refuse = 0


@virtual_time
async def test_one_list_of_members_at_a_time():
    backend = Unruly()
    async with running(backend) as hub:
        channel = await hub.hold("here", 1)
        channel.crowd.expect()
        await hub._review(channel, channel.crowd)
        assert channel.crowd.is_expecting
        channel.crowd.give_up()
        await let_go(hub, "here")


@virtual_time
async def test_who_comes_and_goes_is_told():
    async with running() as hub:
        await hub.hold("here", 1)
        ann = Present("other", "ann", b'{"id":"ann"}')
        for _ in range(2):
            hub.joined("here", ann)
        assert await hub.present("here", 1) == {"ann": {"id": "ann"}}
        for _ in range(2):
            hub.left("here", "other", "ann")
        assert words(hub, "here") == ["channel.joined", "channel.left"]
        await let_go(hub, "here")


@virtual_time
async def test_who_came_and_went_unheard_is_told_by_the_review():
    backend = Unruly()
    async with running(backend) as hub:
        await hub.hold("here", 1)
        enter_unheard(backend)
        assert await hub.present("here", 1) == {}
        await asyncio.sleep(100)
        backend.memory._members.clear()
        await asyncio.sleep(100)
        assert words(hub, "here") == ["channel.joined", "channel.left"]
        await let_go(hub, "here")


@virtual_time
async def test_who_is_in_a_channel_that_is_not_heard_here():
    backend = Unruly()
    async with running(backend) as hub:
        enter_unheard(backend)
        assert await hub.present("here", 1) == {"ann": {"id": "ann"}}


@virtual_time
async def test_members_of_this_node_depart():
    async with running() as hub:
        await hub.hold("here", 1)
        await hub.attendance.enter("here", "ann", b'{"id":"ann"}', 1)
        hub.depart("here", "ann")
        await asyncio.sleep(GRACE_S + 1)
        assert words(hub, "here") == ["channel.joined", "channel.left"]
        await let_go(hub, "here")


# ---- the end


@virtual_time
async def test_stop_ends_all_readers():
    async with running() as hub:
        channel = await hub.hold("a", 1)
        reader = Reader(channel, channel.tail, slow="close", batch=0, gap=None)
        reader.open(lambda first=False: None, 1)
        channel.enter(reader)
    assert reader.end == (1012, "")


@virtual_time
async def test_a_stop_that_is_cancelled_ends_all_tasks():
    backend = Unruly()
    async with running(backend) as hub:
        await hub.hold("here", 1)
        await hub.attendance.enter("here", "ann", b'{"id":"ann"}', 1)
        backend.freeze()
        stopping = asyncio.create_task(hub.stop())
        await asyncio.sleep(0.5)
        stopping.cancel()
        await asyncio.wait([stopping])
        assert stopping.cancelled()
        assert hub._tasks == set()
        backend.thaw()


@virtual_time
async def test_an_old_channel_is_let_go_when_there_is_a_new_one_of_its_name():
    async with running() as hub:
        old = await hub.hold("a", 1)
        assert await hub.hold("a", 1) is old
        old.users = 0
        old.drop()
        new = await hub.hold("a", 1)
        old.drop()
        assert hub.channels == {"a": new}
        await let_go(hub, "a")


# ---- tasks


@virtual_time
async def test_a_task_that_fails_is_told_to_the_log(caplog):
    async def fail():
        raise KeyError("a bug")

    async with running() as hub:
        hub.spawn(fail())
        await asyncio.sleep(0.1)
    assert "channels: a task failed" in caplog.text


@virtual_time
async def test_a_task_that_begins_another_at_its_end():
    async def again(hub, times):
        try:
            await asyncio.sleep(100)
        finally:
            if times:
                hub.spawn(again(hub, times - 1))

    async with running() as hub:
        hub.spawn(again(hub, 3))
        await asyncio.sleep(0.1)
