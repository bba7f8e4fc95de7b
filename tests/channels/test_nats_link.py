"""shallot.channels.nats_link on a NATS of its own: it passes the suite of all backends; and what is NATS' own."""

from __future__ import annotations

import asyncio

import pytest

from shallot.channels.contract import Entry, Kept, LinkLost, Page, Position, Present
from shallot.channels.jetstream import format_headers
from shallot.channels.nats import NatsBackend
from shallot.errors import Unavailable
from shallot.testing import channels_storing, channels_suite
from shallot.testing.channels_aids import KEPT, until

from .links import linked, raw

pytestmark = pytest.mark.needs("nats-server")


class TestNats(channels_suite.BackendSuite):
    @pytest.fixture(autouse=True)
    def server(self, nats):
        self.nats = nats

    def make(self):
        return NatsBackend(self.nats.url)


class TestSharded(channels_storing.StoringCases):
    @pytest.fixture(autouse=True)
    def server(self, nats):
        self.nats = nats

    def make(self):
        return NatsBackend(self.nats.url, name="sharded", shards=4, storage="memory")


# ---- publishing


async def test_what_the_streams_do_not_hold_is_refused(nats):
    async with linked(nats) as (link, _):
        for kept in (Kept(1001, 300, 60), Kept(10, 8641, 60), Kept(10, 300, 61)):
            with pytest.raises(ValueError, match="is more than the streams of this backend hold"):
                await link.publish("much", b"1", "one", kept)
        with pytest.raises(ValueError, match="too many for the NATS server's max_payload of 8388608; raise it there"):
            await link.publish("much", b"1" * 8_388_000, "one", KEPT)


async def test_without_dedupe_ids_repeat(nats):
    async with linked(nats) as (link, _):
        stored = [await link.publish("repeats", b"1", "one", Kept(10, 300, 0)) for _ in range(2)]
        assert [one.duplicate for one in stored] == [False, False]


# ---- positions


async def test_a_birth_is_no_message(nats):
    async with linked(nats) as (link, ears), linked(nats) as (other, _):
        head = (await link.attach(["born"]))["born"]
        assert (head.id, head.offset > 0) == ("", True)
        assert (await other.attach(["born"]))["born"] == head, "born once"
        assert await other.recent("born", None, 10) == await other.read("born", None, 10) == Page(head, [])
        first = (await other.publish("born", b"1", "one", KEPT)).position
        await until(lambda: ears.messages, "it is told")
        assert [entry.id for _, _, entry in ears.messages] == ["one"]
        assert (await link.read("born", head, 10)).entries == [Entry(first.offset, "one", b"1")]
        assert [entry.id for entry in (await link.read("born", None, 10)).entries] == ["one"]
        assert ears.hints == []


async def test_two_that_begin_at_the_same_time_begin_at_the_same_place(nats):
    async with linked(nats) as (link, _), linked(nats) as (other, _):
        for number in range(20):
            heads = await asyncio.gather(link.attach([f"twins{number}"]), other.attach([f"twins{number}"]))
            assert heads[0] == heads[1]


async def test_a_place_between_messages(nats):
    """Where a gap ended: before the oldest that was kept then."""
    async with linked(nats) as (link, _):
        for number in range(1, 4):
            await link.publish("elsewhere", b"1", f"e{number}", KEPT)
            stored = await link.publish("between", b"1", f"id{number}", Kept(1, 300, 60))
        epoch, offset, _ = stored.position
        page = await link.read("between", Position(epoch, offset - 1, ""), 10)
        assert (page.gap, [entry.id for entry in page.entries]) == ("", ["id3"])
        for earlier in (2, 3):  # id2 stands at offset - 2
            page = await link.read("between", Position(epoch, offset - earlier, ""), 10)
            assert (page.gap, [entry.id for entry in page.entries]) == ("" if earlier == 3 else "trimmed", ["id2", "id3"])


async def test_a_made_up_position_before_the_first(nats):
    async with linked(nats) as (link, _):
        await link.publish("fore", b"0", "zero", KEPT)
        epoch, offset, _ = (await link.publish("first", b"1", "one", KEPT)).position
        assert (await link.read("first", Position(epoch, 0, ""), 10)).gap == "trimmed"
        assert (await link.read("first", Position(epoch, offset - 1, "zero"), 10)).gap == "trimmed", "that one is another channel's"


async def test_where_nothing_stands_any_more(nats):
    async with linked(nats) as (link, _):
        assert (await link.heads(["nothing"]))["nothing"][1:] == (0, "")
        assert (await link.read("nothing", Position("another", 5, "five"), 10)).gap == "epoch"
        stored = await link.publish("purged", b"1", "one", KEPT)
        await link.attach(["purged"])
        await raw(link, "STREAM.PURGE", "shallot-log-0", filter="shallot.log.0.purged.said")
        assert (await link.heads(["purged"]))["purged"] == stored.position, "as it was seen"
        assert (await link.read("purged", stored.position, 10)).gap == ""
        await link.detach(["purged"])
        assert (await link.heads(["purged"]))["purged"][1:] == (0, "")
        assert (await link.read("purged", stored.position, 10)).gap == "rollback"


# ---- silence


AGE_S = 1.5
BRIEF = Kept(3, 0.1, 0.1)


@pytest.fixture
def aging(nats, monkeypatch):
    """Messages are gone after ``AGE_S``, until somebody asks for more."""

    def make(name, age_s=AGE_S):
        monkeypatch.setattr("shallot.channels.nats.FORGET_S", age_s)
        return linked(nats, name=name, max_ttl_s=age_s / 10, dedupe_s=0.1)

    return make


async def silence(link, channel, position):
    """Until the message at ``position`` is gone; audits go on."""
    stream = link._streams.log(channel)

    async def is_gone():
        assert (await link.heads([channel]))[channel] == position
        return await link._wire.find(stream, seq=position.offset) is None

    async with asyncio.timeout(10):
        while not await is_gone():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("is_born", [False, True], ids=["after-a-message", "after-a-birth"])
async def test_a_channel_that_is_heard_is_known_however_long_it_is_silent(aging, is_born):
    name, channel = f"silent-{is_born}", "quiet"
    async with aging(name) as (link, ears), aging(name) as (other, _):
        head = (await link.attach([channel]))[channel] if is_born else (await link.publish(channel, b"1", "o n\u00e9", BRIEF)).position
        await other.attach([channel])
        await link.attach([channel])
        await silence(link, channel, head)
        async with aging(name, 86_400) as (late, _):
            kept = Kept(3, 300, 0)
            assert (await late.attach([channel]))[channel] == head
            assert await late.read(channel, head, 10) == await late.read(channel, None, 10) == Page(head, [])
            assert (await late.read(channel, Position(head.epoch, head.offset, "other"), 10)).gap == "rollback"
            said = [(await late.publish(channel, b"2", f"id{number}", kept)).position for number in range(4)]
            page = await late.read(channel, head, 10)
            assert (page.gap, [entry.id for entry in page.entries]) == ("", [position.id for position in said])
            assert (await late.read(channel, head, 2)).entries == page.entries[:2]
            assert (await late.read(channel, Position(head.epoch, head.offset, "x"), 10)).gap == "trimmed"
            await late.publish(channel, b"3", "one too many", kept)
            assert (await late.read(channel, head, 10)).gap == "trimmed"
        await until(lambda: len({entry.id for _, _, entry in ears.messages}) >= 5, "all is told")
        assert ears.hints == [], "a reminder is no hole"


async def test_it_is_the_servers_clock_that_counts(nats, monkeypatch):
    async with linked(nats, name="clocks") as (link, _):
        stored = (await link.publish("a", b"1", "one", KEPT)).position
        monkeypatch.setattr("shallot.channels.nats_link.time", lambda: 1e12)
        assert (await link.heads(["a"]))["a"] == stored
        assert (await raw(link, "STREAM.INFO", "clocks-log-0"))["state"]["messages"] == 1


async def test_reminders_for_which_there_is_no_room(aging, monkeypatch):
    async with aging("full") as (link, _):
        stored = (await link.publish("a", b"1", "one", BRIEF)).position
        errors, asked = [LinkLost("gone"), Unavailable("full")], []
        store = link._wire.store

        async def refuse(*args, **options):
            asked.append(args)
            raise errors[-1]

        link._wire.store = refuse
        async with asyncio.timeout(10):
            while not asked:
                assert (await link.heads(["a"]))["a"] == stored
                await asyncio.sleep(0.1)
        errors.pop()
        with pytest.raises(LinkLost, match="gone"):
            await link.heads(["a"])
        link._wire.store = store


async def test_a_stream_that_was_made_anew_is_noticed(nats):
    async with linked(nats, name="anew") as (link, _):
        before = (await link.attach(["a"]))["a"]
        await raw(link, "STREAM.DELETE", "anew-log-0")
        async with linked(nats, name="anew") as (other, _):
            after = (await other.publish("a", b"1", "one", KEPT)).position
            assert after.epoch != before.epoch
        for work in (link.ping(), link.read("a", before, 10), link.recent("a", None, 10), link.heads(["a"]), link.attach(["b"])):
            with pytest.raises(LinkLost, match="the stream anew-log-0 was made anew"):
                await work


async def test_limits_that_another_app_lowers_are_raised_again(nats):
    async with linked(nats, name="lowered", max_keep=7) as (link, _):
        config = (await raw(link, "STREAM.INFO", "lowered-log-0"))["config"]
        await raw(link, "STREAM.UPDATE", "lowered-log-0", **{**config, "max_msgs_per_subject": 4})
        await link.ping()
        assert (await raw(link, "STREAM.INFO", "lowered-log-0"))["config"] == config


# ---- hearing


async def test_a_hole_makes_the_core_look(nats):
    async with linked(nats) as (link, ears):
        await link.attach(["holes"])
        stored = [(await link.publish("holes", b"1", f"id{number}", KEPT)).position for number in range(2)]
        await until(lambda: len(ears.messages) == 2, "both are told")
        link._hear("holes", "shallot.live.holes.said", _headers(stored[-1].offset + 9, stored[-1].offset + 5), b"1")
        assert ears.hints == ["holes"]
        assert [entry.id for _, _, entry in ears.messages] == ["id0", "id1", "late"]


def _headers(number, before):
    return {"Nats-Sequence": str(number), "Nats-Last-Sequence": str(before), **format_headers("holes", "late", KEPT)}


async def test_what_others_say_there_makes_the_core_look(nats):
    async with linked(nats) as (link, ears):
        await link.attach(["foreign"])
        client = link._wire._client
        await client.publish("shallot.live.foreign.said", b"1")
        await client.publish("shallot.live.foreign.said", b"1", headers={"Nats-Sequence": "x", "Nats-Last-Sequence": "1"})
        await until(lambda: len(ears.hints) == 2, "both are noticed")
        await client.publish("shallot.log.0.foreign.said", b"no message of ours")
        await link.ping()
        assert (await link.read("foreign", None, 10)).entries == []
        assert ears.messages == []


async def test_what_comes_after_a_detach_is_nothing(nats):
    async with linked(nats) as (link, ears):
        await link.attach(["gone"])
        await link.detach(["gone", "never"])
        link._hear("gone", "shallot.live.gone.said", _headers(9, 1), b"1")
        assert (ears.hints, ears.messages) == ([], [])
        assert await link.attach([]) == {}


async def test_a_detach_during_an_attach(nats):
    async with linked(nats) as (link, _):
        attaching = asyncio.create_task(link.attach(["brief"]))
        while "brief" not in link._ears:  # noqa: ASYNC110  # not an answer later
            await asyncio.sleep(0)
        await link.detach(["brief"])
        assert set(await attaching) == {"brief"}
        assert link._ears == {}


# ---- presence


async def test_members_of_nodes_that_are_gone_for_good_are_deleted(nats, monkeypatch):
    monkeypatch.setattr("shallot.channels.nats_link.LOST_NODE_S", 0.0)
    async with linked(nats, name="ghosts") as (link, _):
        await link.lease("lives", 15)
        await link.lease("ended", 0.05)
        for node in ("lives", "ended"):
            await link.join("room", node, {"ann": b"{}"})
        await asyncio.sleep(0.1)
        assert await link.members("room") == [Present("lives", "ann", b"{}")]
        assert set(await link.lease("lives", 15)) == {"lives"}
        info = await raw(link, "STREAM.INFO", "ghosts-here", subjects_filter=">")
        assert sorted(info["state"]["subjects"]) == ["ghosts.here.room.lives.ann", "ghosts.node.lives"]


async def test_two_who_dismiss_the_same_member(nats):
    async with linked(nats) as (link, ears), linked(nats) as (other, _):
        await link.attach(["both"])
        for _ in range(10):
            await link.join("both", "node", {"ann": b"{}"})
            await asyncio.gather(link.leave("both", "node", ["ann"]), other.leave("both", "node", ["ann"]))
        await until(lambda: len(ears.presence) >= 20, "all is told")
        assert [data for _, _, _, data in ears.presence] == [b"{}", None] * 10
