"""shallot.channels.presence: who is in a channel, told once when they come and once when they have left, whatever happens to nodes and links."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from shallot.channels.contract import LinkLost, Present
from shallot.channels.presence import GRACE_S, LEASE_S, RENEW_S, Crowd
from shallot.channels.resource import Channels
from shallot.errors import EffectRefused, Unavailable
from shallot.testing import virtual_time
from shallot.testing.channels_unruly import Unruly, UnrulyLink

TOPICS = {"here": {"presence": True}, "there": {"presence": True}, "tiny": {"presence": True, "max_members": 1}}
ANN, BOB = {"id": "ann"}, {"id": "bob", "name": "Bob"}


def present(node: str, member: str, data: bytes | None = None) -> Present:
    return Present(node, member, data if data is not None else b'{"id":"%s"}' % member.encode())


# ---- the pure part


def test_the_first_that_comes_and_the_last_that_goes_count():
    crowd = Crowd()
    assert crowd.add(present("one", "ann")) == ANN
    assert crowd.add(present("other", "ann")) is None
    assert crowd.remove("one", "ann") is None
    assert crowd.remove("one", "ann") is None
    assert crowd.remove("other", "bob") is None
    assert crowd.shown == {"ann": ANN}
    assert crowd.remove("other", "ann") == ANN
    assert crowd.shown == {}
    assert (crowd.of("other"), crowd.nodes()) == ([], set())


def test_what_a_member_says_of_itself_last_counts():
    crowd = Crowd()
    crowd.add(present("one", "bob"))
    assert crowd.add(present("one", "bob", b'{"id":"bob","name":"Bob"}')) is None
    assert crowd.shown == {"bob": BOB}


@pytest.mark.parametrize("data", [b"{", b'"ann"', b'{"id":"bob"}', b"{}", b"\x80\x04"], ids=repr)
def test_I7_members_that_are_not_ours(data, caplog):
    crowd = Crowd()
    assert crowd.add(present("one", "ann", data)) is None
    assert crowd.shown == {}
    assert "a member 'ann' that is not ours" in caplog.text


def test_a_list_settles_what_was_not_told():
    crowd = Crowd()
    for one in (present("live", "stays"), present("live", "left"), present("dead", "waits")):
        crowd.add(one)
    joined, left = crowd.compare([present("live", "stays"), present("other", "new")], {"live", "other"})
    assert (joined, left) == ([{"id": "new"}], [{"id": "left"}])
    assert set(crowd.shown) == {"stays", "new", "waits"}


def test_what_is_told_while_a_list_is_on_its_way_is_newer():
    crowd = Crowd()
    crowd.add(present("live", "leaves"))
    crowd.expect()
    assert crowd.is_expecting
    crowd.give_up()
    assert not crowd.is_expecting
    crowd.expect()
    crowd.add(present("live", "comes"))
    crowd.remove("live", "leaves")
    assert crowd.compare([present("live", "leaves")], {"live"}) == ([], [])
    assert set(crowd.shown) == {"comes"}


# ---- nodes


class Stage:
    """Nodes on one backend, and a reader on the first of them that writes down who comes and goes."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.stack = stack
        self.backend = Unruly()
        self.told: list[tuple[float, str, str]] = []
        self.nodes: list[Channels] = []

    async def add(self, **options) -> Channels:
        channels = Channels(self.backend, TOPICS, **options)
        await self.stack.enter_async_context(channels)
        self.nodes.append(channels)
        return channels

    async def listen(self, node: Channels, channel: str = "here") -> None:
        messages = await self.stack.enter_async_context(node.subscription(channel))

        async def write_down() -> None:
            async for message in messages:
                if "member" in message:
                    self.told.append((asyncio.get_running_loop().time(), message["type"].removeprefix("channel."), message["member"]["id"]))

        task = asyncio.create_task(write_down())

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        self.stack.push_async_callback(end)

    def words(self) -> list[tuple[str, str]]:
        return [(kind, member) for _, kind, member in self.told]


@asynccontextmanager
async def stage():
    async with AsyncExitStack() as stack:
        yield Stage(stack)


@asynccontextmanager
async def pair():
    """A stage with two nodes, the first of which listens."""
    async with stage() as on:
        one, other = await on.add(), await on.add()
        await on.listen(one)
        yield on, one, other


async def come(node: Channels, member=ANN, channel: str = "here"):
    context = node.subscription(channel, member=member)
    await context.__aenter__()
    return context


async def go(*contexts) -> None:
    for context in contexts:
        await context.__aexit__(None, None, None)


@virtual_time
async def test_several_sockets_of_one_member():
    async with pair() as (on, one, other):
        sockets = [await come(node) for node in (one, one, other, other)]
        await go(*sockets[:3])
        await asyncio.sleep(60)
        assert on.words() == [("joined", "ann")]
        assert await one.members("here") == await other.members("here") == {"ann": ANN}
        now = asyncio.get_running_loop().time()
        await go(sockets[3])
        await asyncio.sleep(60)
        assert on.words() == [("joined", "ann"), ("left", "ann")]
        assert on.told[1][0] == pytest.approx(now + GRACE_S, abs=0.5)
        assert await one.members("here") == await other.members("here") == {}


@virtual_time
async def test_who_is_back_within_the_grace_never_left():
    async with pair() as (on, one, other):
        for node in (one, other, one, one, other):
            socket = await come(node)
            await asyncio.sleep(3)
            await go(socket)
            await asyncio.sleep(GRACE_S - 1)
        assert on.words() == [("joined", "ann")]
        await asyncio.sleep(GRACE_S)
        assert on.words() == [("joined", "ann"), ("left", "ann")]


@virtual_time
async def test_a_node_that_is_killed_takes_its_members_along():
    async with pair() as (on, one, other):
        await come(other, BOB)
        both = await come(one), await come(other)
        await asyncio.sleep(7)
        killed = asyncio.get_running_loop().time()
        hub, other._hub = other._hub, None
        hub.line.end()
        for task in list(hub._tasks):
            task.cancel()
        await asyncio.sleep(LEASE_S + GRACE_S + 1)
        assert on.words() == [("joined", "bob"), ("joined", "ann"), ("left", "bob")]
        assert LEASE_S - RENEW_S + GRACE_S <= on.told[-1][0] - killed <= LEASE_S + GRACE_S + 0.7
        assert await one.members("here") == {"ann": ANN}
        await go(*both)


@virtual_time
async def test_a_node_that_takes_the_place_of_one_that_was_killed_has_no_members_of_that():
    async with stage() as on:
        one = await on.add()
        await on.listen(one)
        killed, place = await on.add(node="web"), await on.add(node="web")
        await come(killed)
        bob = await come(place, BOB)
        hub, killed._hub = killed._hub, None
        hub.line.end()
        for task in list(hub._tasks):
            task.cancel()
        await asyncio.sleep(LEASE_S + GRACE_S + 1)
        assert on.words() == [("joined", "ann"), ("joined", "bob"), ("left", "ann")]
        for node in (one, place):
            assert await node.members("here") == {"bob": BOB}
        await go(bob)


@virtual_time
async def test_a_node_that_stops_in_peace_gives_its_members_the_grace():
    async with stage() as on:
        one = await on.add()
        await on.listen(one)
        async with Channels(on.backend, TOPICS) as other:
            await come(other)
            await come(other, BOB)
        stopped = asyncio.get_running_loop().time()
        back = await come(one)
        await asyncio.sleep(GRACE_S + RENEW_S + 1)
        assert on.words() == [("joined", "ann"), ("joined", "bob"), ("left", "bob")]
        assert on.told[-1][0] - stopped <= GRACE_S + RENEW_S + 0.5
        await go(back)


@virtual_time
async def test_a_link_that_was_gone_for_long_brings_its_members_back():
    async with pair() as (on, one, other):
        socket = await come(other)
        link = next(link for link in on.backend.links if link.sink is other._hub.line.ears)
        connect = on.backend.connect
        on.backend.connect = lambda sink: connect(sink) if sink._news is one._hub else refuse()
        link.sink.lost(LinkLost("cut"))
        await asyncio.sleep(LEASE_S + GRACE_S + 5)
        assert on.words() == [("joined", "ann"), ("left", "ann")]
        on.backend.connect = connect
        await asyncio.sleep(5)
        assert on.words() == [("joined", "ann"), ("left", "ann"), ("joined", "ann")]
        await go(socket)


@pytest.mark.parametrize("early_s", [2.2, 3, 4.5], ids=str)
def test_a_node_that_is_back_just_before_its_members_are_given_up_has_them(early_s):
    @virtual_time
    async def run():
        async with pair() as (on, one, other):
            on.backend.slow_s = 0.02
            socket = await come(other)
            link = next(link for link in on.backend.links if link.sink is other._hub.line.ears)
            connect = on.backend.connect
            on.backend.connect = lambda sink: connect(sink) if sink._news is one._hub else refuse()
            link.sink.lost(LinkLost("cut"))
            while not (lost := one._hub.attendance._lost):  # noqa: ASYNC110  # nobody is told
                await asyncio.sleep(0.01)
            await asyncio.sleep(lost[other._hub.node] - asyncio.get_running_loop().time() - early_s)
            on.backend.connect = connect
            await asyncio.sleep(early_s + 1)
            assert await one.members("here") == {"ann": ANN}
            assert on.words() == [("joined", "ann")]
            await go(socket)

    run()


@asynccontextmanager
async def refuse():
    raise LinkLost("refused")
    yield


@virtual_time
async def test_a_short_cut_is_not_noticed():
    async with pair() as (on, _, other):
        socket = await come(other)
        for _ in range(5):
            on.backend.cut()
            await asyncio.sleep(4)
        assert on.words() == [("joined", "ann")]
        await go(socket)


@virtual_time
async def test_a_backend_that_forgot_everybody_is_told_again():
    async with pair() as (on, one, other):
        sockets = [await come(one, BOB), await come(other)]
        on.backend.forget()
        await asyncio.sleep(5)
        assert {member.member for member in on.backend.memory.present("here", asyncio.get_running_loop().time())} == {"ann", "bob"}
        assert await one.members("here") == {"ann": ANN, "bob": BOB}
        assert sorted(on.words()) == [("joined", "ann"), ("joined", "bob")]
        await go(*sockets)


@virtual_time
async def test_a_process_that_stood_still_says_again_who_is_there():
    async with pair() as (on, _, other):
        socket = await come(other)
        other._hub.attendance._renewed_at -= 100  # as if it had slept
        on.backend.memory.renew(other._hub.node, -1, asyncio.get_running_loop().time())
        on.backend.memory.renew("another", 1, asyncio.get_running_loop().time())
        assert on.backend.memory._members == {}
        await asyncio.sleep(RENEW_S + 1)
        assert await on.nodes[1].members("here") == {"ann": ANN}
        assert len(on.backend.memory._members["here"]) == 1
        await go(socket)


@virtual_time
async def test_news_that_were_lost_are_found_by_the_review():
    async with pair() as (on, _, other):
        memory, now = on.backend.memory, asyncio.get_running_loop().time()
        memory.renew("third", 3600, now)
        memory._members["here"] = {("third", "eve"): b'{"id":"eve"}'}
        await asyncio.sleep(90)
        assert on.words() == [("joined", "eve")]
        memory._members.pop("here")
        await asyncio.sleep(90)
        assert on.words() == [("joined", "eve"), ("left", "eve")]
        assert await other.members("here") == {}


def link_of(on: Stage, node: Channels):
    return next(link for link in on.backend.links if link.sink is node._hub.line.ears)


@virtual_time
async def test_a_leave_that_failed_is_done_again():
    async with pair() as (on, one, other):
        sockets = [await come(other), await come(other, BOB), await come(other, ANN, "there")]
        await asyncio.sleep(1)
        await go(*sockets)

        async def fail(channel, node, members):
            sockets.append(await come(other, BOB))
            raise LinkLost("broken")

        link_of(on, other).leave = fail
        await asyncio.sleep(GRACE_S + 5)
        assert sorted(on.words()) == [("joined", "ann"), ("joined", "bob"), ("left", "ann")]
        attendance = other._hub.attendance
        assert ({channel: set(own) for channel, own in attendance._own.items()}, attendance._leaving) == ({"here": {"bob"}}, {})
        assert await one.members("here") == {"bob": BOB}
        await go(sockets.pop())


def test_a_link_that_breaks_while_one_of_two_comes_back(monkeypatch):
    leave, join, broken = UnrulyLink.leave, UnrulyLink.join, []

    async def slow_leave(self, *arguments):
        await asyncio.sleep(1)
        await leave(self, *arguments)

    async def join_that_breaks(self, channel, node, members):
        if len(broken) == 1:  # the first is what who comes back asks for, the second what is said after the leave
            broken.append("link")
            raise LinkLost("broken")
        if broken:
            broken.append("again")
        await join(self, channel, node, members)

    @virtual_time
    async def run():
        async with stage() as on:
            one = await on.add()
            await on.listen(one)
            for socket in (await come(one), await come(one, BOB)):
                await go(socket)
            monkeypatch.setattr(UnrulyLink, "leave", slow_leave)
            await asyncio.sleep(GRACE_S + 0.5)
            ann = await come(one)
            broken.append("came back")
            monkeypatch.setattr(UnrulyLink, "join", join_that_breaks)
            await asyncio.sleep(10)
            assert broken == ["came back", "link", "again"]
            assert one.stats()["links"] == 2
            assert await one.members("here") == {"ann": ANN}
            assert on.words()[-1] != ("left", "ann")
            await go(ann)

    run()


@virtual_time
async def test_who_comes_back_while_the_leave_is_on_its_way_is_there():
    async with pair() as (on, one, other):
        first = await come(other)
        link, sockets = link_of(on, other), []
        leave = link.leave

        async def late(channel, node, members):
            sockets.append(await come(other))
            await leave(channel, node, members)

        link.leave = late
        await go(first)
        await asyncio.sleep(GRACE_S + 5)
        link.leave = leave
        assert len(sockets) == 1
        assert await one.members("here") == await other.members("here") == {"ann": ANN}
        assert {(member.node, member.member) for member in on.backend.memory.present("here", asyncio.get_running_loop().time())} == {(other._hub.node, "ann")}
        await go(*sockets)
        await asyncio.sleep(GRACE_S + 1)
        assert await one.members("here") == {}


@virtual_time
async def test_a_join_that_fails_leaves_nobody_behind():
    async with stage() as on:
        one = await on.add(subscribe_s=3.0)
        await on.listen(one)
        on.backend.freeze()
        with pytest.raises(Unavailable):
            await come(one)
        on.backend.thaw()
        await asyncio.sleep(GRACE_S + 5)
        assert await one.members("here") == {}
        assert one._hub.attendance._own == {}
        assert one.stats()["readers"] == 1


@virtual_time
async def test_who_relies_on_a_join_that_was_refused_is_there():
    async with pair() as (on, one, other):
        bob = await come(other, BOB)
        link = link_of(on, other)

        async def refuse(channel, node, members):
            del link.join
            sockets.append(await come(other))
            await asyncio.sleep(0.5)
            raise Unavailable("full")

        sockets, link.join = [], refuse
        with pytest.raises(Unavailable, match="^full$"):
            await come(other)
        await asyncio.sleep(1)
        assert await one.members("here") == {"ann": ANN, "bob": BOB}
        await asyncio.sleep(2 * LEASE_S + GRACE_S)
        assert await one.members("here") == {"ann": ANN, "bob": BOB}, "the lease is kept"
        assert other.stats()["links"] == 1
        await go(bob, *sockets)


@virtual_time
async def test_a_socket_that_goes_while_it_comes_is_nobody_elses_business():
    async with stage() as on:
        one, other = await on.add(), await on.add()
        bob = await come(other, BOB)
        link, joins = link_of(on, other), []

        async def hang(channel, node, members):
            joins.append(set(members))
            await asyncio.sleep(1)

        link.join = hang
        coming = asyncio.create_task(come(other))
        await asyncio.sleep(0.5)
        coming.cancel()
        await asyncio.wait([coming])
        await asyncio.sleep(RENEW_S + 1)
        assert joins == [{"ann"}], "nobody is said again"
        await go(bob)
        assert one.stats()["links"] == 1


@virtual_time
async def test_a_lease_that_is_refused_for_a_while():
    async with pair() as (on, one, other):
        socket = await come(other)
        on.backend.deny = 1
        await asyncio.sleep(LEASE_S + GRACE_S + 20)
        on.backend.deny = 0
        await asyncio.sleep(10)
        assert await one.members("here") == {"ann": ANN}
        assert (one.stats()["links"], other.stats()["links"]) == (1, 1)
        await go(socket)


@virtual_time
async def test_members_have_a_bound():
    async with stage() as on:
        one = await on.add()
        socket = await come(one, ANN, "tiny")
        with pytest.raises(EffectRefused, match="channel 'tiny' has 1 members on this machine already"):
            await come(one, BOB, "tiny")
        again = await come(one, ANN, "tiny")
        await go(socket, again)
        assert one.stats()["readers"] == 0


@virtual_time
async def test_a_node_without_presence_keeps_no_lease():
    async with stage() as on:
        one = await on.add()
        async with one.subscription("other"):
            await asyncio.sleep(60)
            assert on.backend.memory._leases == {}
        socket = await come(one)
        await go(socket)
        await asyncio.sleep(GRACE_S + RENEW_S + 1)
        assert one._hub.attendance._renewed_at is None
        await asyncio.sleep(LEASE_S)
        await go(await come(one))
        await asyncio.sleep(GRACE_S + 1)


@virtual_time
async def test_nobody_is_there_before_the_lease_is():
    async with pair() as (on, one, other):
        link = link_of(on, other)
        lease, calls = link.lease, []

        async def late(node, ttl_s):
            calls.append(node)
            await asyncio.sleep(0 if len(calls) > 1 else 1)
            return await lease(node, ttl_s)

        link.lease = late
        socket = await come(other)
        assert len(calls) == 2
        assert await one.members("here") == {"ann": ANN}
        await go(socket)


@virtual_time
async def test_members_of_a_channel_that_nobody_here_hears():
    async with stage() as on:
        one, other = await on.add(), await on.add()
        socket = await come(other)
        assert await one.members("here") == {"ann": ANN}
        await go(socket)


@virtual_time
async def test_a_lease_that_cannot_be_ended_ends_by_itself(caplog):
    caplog.set_level(logging.DEBUG, "shallot.channels")
    async with stage() as on:
        async with Channels(on.backend, TOPICS) as node:
            await come(node)
            on.backend.freeze()
        on.backend.thaw()
        assert "the lease was not ended: " in caplog.text
        memory, now = on.backend.memory, asyncio.get_running_loop().time()
        assert [one.member for one in memory.present("here", now)] == ["ann"]
        assert memory.present("here", now + LEASE_S) == []


@virtual_time
async def test_many_members_are_written_in_portions():
    async with pair() as (on, one, other):
        sockets = [await come(other, {"id": f"m{number}"}) for number in range(600)]
        on.backend.forget()
        await asyncio.sleep(5)
        assert len(await one.members("here")) == 600
        await go(*sockets)
        await asyncio.sleep(GRACE_S + 5)
        assert await one.members("here") == {}
        assert len(on.told) == 1200


@virtual_time
async def test_two_channels_of_one_node_that_dies():
    async with stage() as on:
        one = await on.add()
        await on.listen(one)
        await on.listen(one, "there")
        async with Channels(on.backend, TOPICS) as other:
            await come(other, ANN, "here")
            await come(other, ANN, "there")
            await come(other, BOB, "there")
            third = await come(one, BOB, "there")
        await asyncio.sleep(GRACE_S + RENEW_S + 1)
        assert sorted(on.words()) == [("joined", "ann"), ("joined", "ann"), ("joined", "bob"), ("left", "ann"), ("left", "ann")]
        await go(third)
