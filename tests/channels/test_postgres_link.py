"""shallot.channels.postgres_link on a PostgreSQL of its own: it passes the suite of all backends; and what is PostgreSQL's own."""

from __future__ import annotations

import asyncio

import pytest

from shallot.channels import postgres_link as module
from shallot.channels.contract import Entry, Kept, LinkLost, Position
from shallot.channels.postgres import PostgresBackend
from shallot.testing import channels_suite
from shallot.testing.channels_aids import KEPT, SMALL, until

from .links import connected, linked

pytestmark = pytest.mark.needs("postgres")


class TestPostgres(channels_suite.BackendSuite):
    @pytest.fixture(autouse=True)
    def server(self, postgres):
        self.postgres = postgres

    def make(self):
        return PostgresBackend(self.postgres.url)


# ---- what stands in PostgreSQL


async def test_no_more_than_is_kept(postgres):
    async with linked(postgres, schema="kept") as (link, _), connected(postgres) as connection:
        for number in range(20):
            await link.publish("a", b"1", f"id{number}", SMALL)
        assert await connection.fetchval("SELECT count(*) FROM kept.log") == 4
        await link.publish("a", b"1", "none", Kept(0, 0, 0))
        assert await connection.fetchval("SELECT count(*) FROM kept.log") == 0
        assert await connection.fetchval("SELECT count(*) FROM kept.ids") == 20, "an id lives as long as it was told to"
        head = (await link.heads(["a"]))["a"]
        assert head[1:] == (21, "none")
        assert (await link.read("a", head, 10)).gap == ""


async def test_who_hears_a_silent_channel_keeps_its_epoch(postgres):
    async with linked(postgres, schema="silent") as (link, _), connected(postgres) as connection:
        head = (await link.attach(["a"]))["a"]
        await connection.execute("UPDATE silent.head SET used = now() - interval '50 min'")
        assert (await link.heads(["a"]))["a"] == head
        assert await connection.fetchval("SELECT used > now() - interval '1 min' FROM silent.head")


async def test_a_channel_that_begins_elsewhere_at_the_same_moment(postgres):
    async with linked(postgres, schema="moment") as (link, _), connected(postgres) as connection:
        async with connection.transaction():
            await connection.execute("INSERT INTO moment.head (channel, epoch) VALUES ('a', 'theirs')")
            attaching = asyncio.create_task(link.attach(["a", "b"]))
            blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            async with connected(postgres) as other, asyncio.timeout(10):
                while not await other.fetchval(blocked):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        heads = await attaching
        assert (heads["a"], heads["b"].offset) == (Position("theirs", 0, ""), 0)


async def test_expired_messages_are_not_read_though_they_stand_there(postgres):
    async with linked(postgres) as (link, _):
        for number in range(1, 4):
            stored = (await link.publish("old", b"1", f"id{number}", Kept(10, 0.1, 60))).position
        await asyncio.sleep(0.15)
        assert (await link.recent("old", None, 10)).entries == []
        page = await link.read("old", Position(stored.epoch, 3, "id3"), 10)
        assert (page.gap, page.entries) == ("", [])
        assert (await link.read("old", Position(stored.epoch, 2, "id2"), 10)).gap == "trimmed"
        await link.publish("old", b"1", "id4", Kept(10, 300, 60))
        page = await link.read("old", Position(stored.epoch, 3, "id3"), 10)
        assert (page.gap, [entry.id for entry in page.entries]) == ("", ["id4"])


# ---- publishing


async def test_what_is_said_at_the_same_time_is_one_transaction(postgres):
    async with linked(postgres, schema="batch") as (link, ears), connected(postgres) as connection:
        await link.attach(["a", "b"])
        works = [asyncio.create_task(link.publish("ab"[number % 2], b"%d" % number, f"id{number}", KEPT)) for number in range(100)]
        await asyncio.sleep(0)
        works[7].cancel()
        await asyncio.wait(works)
        await until(lambda: len(ears.messages) == 100, "all are told, the one whose publisher has gone, too")
        for channel in "ab":
            assert [entry.offset for name, _, entry in ears.messages if name == channel] == list(range(1, 51))
        commits = await connection.fetchval("SELECT count(DISTINCT xmin::text) FROM batch.log")
        assert commits <= 3


async def test_large_ones_do_not_wait_for_one_another(postgres, monkeypatch):
    monkeypatch.setattr(module, "BATCH_BYTES", 1000)
    async with linked(postgres, schema="large") as (link, _), connected(postgres) as connection:
        await asyncio.gather(*(link.publish("a", b"x" * 600, f"id{number}", KEPT) for number in range(10)))
        assert await connection.fetchval("SELECT count(DISTINCT xmin::text) FROM large.log") == 5


async def test_an_id_is_known_for_as_long_as_it_was_told_to(postgres):
    async with linked(postgres, schema="known") as (link, _), connected(postgres) as connection:
        for number in range(2):
            assert not (await link.publish("a", b"1", "brief", Kept(10, 300, 0.05))).duplicate, number
            await asyncio.sleep(0.1)
        first = await link.publish("a", b"1", "long", KEPT)
        assert (await link.publish("a", b"1", "long", KEPT)).duplicate
        await connection.execute("DELETE FROM known.head")
        page = await link.read("a", first.position, 10)
        assert (page.gap, page.entries, (await link.recent("a", None, 10)).entries) == ("epoch", [], [])
        again = await link.publish("a", b"1", "long", KEPT)
        assert (again.duplicate, again.position.offset) == (False, 1), "it was another numbering's"
        assert (await link.read("a", None, 10)).entries == [Entry(1, "long", b"1")]


async def test_links_that_publish_to_the_same_channels_do_not_wait_in_a_circle(postgres):
    async with linked(postgres) as (one, _), linked(postgres) as (other, _):
        channels = [f"circle{number}" for number in range(20)]

        async def speak(link, names):
            await asyncio.gather(*(link.publish(name, b"1", f"{id(link)}-{number}", KEPT) for name in names for number in range(20)))

        await asyncio.gather(speak(one, channels), speak(other, channels[::-1]))
        heads = await one.heads(channels)
        assert {head.offset for head in heads.values()} == {40}


async def test_a_refusal_reaches_all_who_wait(postgres):
    async with linked(postgres, schema="refuse") as (link, ears), connected(postgres) as connection:
        await connection.execute("ALTER TABLE refuse.log ADD CHECK (id <> 'bad')")
        works = [asyncio.create_task(link.publish("a", b"1", identity, KEPT)) for identity in ("good", "bad", "gone")]
        await asyncio.sleep(0)
        works[2].cancel()
        await asyncio.wait(works)
        assert [type(work.exception()) for work in works[:2]] == [LinkLost, LinkLost]
        assert not (await link.publish("a", b"1", "good", KEPT)).duplicate, "nothing of the transaction was stored"
        assert ears.losses == []


# ---- hearing


async def test_what_is_too_long_for_a_notification_is_read(postgres):
    async with linked(postgres) as (link, ears):
        await link.attach(["long"])
        for number in range(1, 4):
            await link.publish("long", b"x" * 5000 * number, f"id{number}", KEPT)
        await until(lambda: len(ears.messages) + len(ears.hints) == 3, "all are told")
        assert [entry.offset for _, _, entry in ears.messages] == [1]
        assert ears.hints == ["long", "long"]
        large = {"ann": b"{%s}" % (b"x" * 8000), "bob": b"{}"}
        await link.join("long", "node", large)
        await until(lambda: len(ears.presence) == 2, "both are told")
        assert sorted(ears.presence) == [("long", "node", member, data) for member, data in large.items()]


async def test_many_members_fit_into_few_notifications(postgres):
    async with linked(postgres) as (link, ears), connected(postgres) as connection:
        notified = []
        await connection.add_listener(link._shard("crowd"), lambda *told: notified.append(told))
        await link.attach(["crowd"])
        await link.join("crowd", "node", {f"member{number}": b"{}" for number in range(256)})
        await until(lambda: len(ears.presence) == 256, "all are told")
        await until(lambda: notified, "the notifications are there")
        assert len(notified) <= 3
        await link.leave("crowd", "node", [f"member{number}" for number in range(256)])
        await until(lambda: len(ears.presence) == 512, "all have left")
        await connection.reset()


async def test_a_long_member_that_has_left_is_not_told(postgres):
    async with linked(postgres) as (link, ears):
        await link.attach(["brief"])
        await link._look("brief", "node", "nobody", link._eye._connection)
        assert ears.presence == []


@pytest.mark.parametrize("told", ["junk", "m", "m e 1", "m e x YQ== YQ== YQ==", "m e 1 ! ! !", "l YQ==", "j Zm9yZWlnbg== YQ==", ""])
async def test_what_is_not_ours_is_nothing(postgres, told):
    async with linked(postgres) as (link, ears):
        await link.attach(["foreign"])
        link._hear(None, 0, "", told)
        assert (ears.hints, ears.messages, ears.presence) == ([], [], [])


async def test_who_polls_needs_no_notifications(postgres):
    async with linked(postgres, poll_s=0.02) as (link, ears):
        await link.attach(["polled", "other"])
        await link._ear._connection.execute("UNLISTEN *")
        await until(lambda: sorted(ears.hints) == ["other", "polled"], "the core looks once")
        ears.hints.clear()
        await link.publish("polled", b"1", "one", KEPT)
        await until(lambda: ears.hints == ["polled"], "the core looks again, where something is new")
        assert ears.messages == []


async def test_what_comes_after_a_detach_is_nothing(postgres):
    async with linked(postgres) as (link, ears):
        await link.attach(["gone"])
        await link.detach(["gone", "never"])
        await link.publish("gone", b"1", "one", KEPT)
        await link.join("gone", "node", {"ann": b"{}"})
        await link.ping()
        assert (ears.messages, ears.presence) == ([], [])
        assert await link.attach([]) == {}


# ---- failures


@pytest.mark.parametrize("role", ["_ear", "_pen", "_eye"])
async def test_each_connection_is_the_link(postgres, role):
    async with linked(postgres) as (link, ears), connected(postgres) as connection:
        pid = getattr(link, role)._connection.get_server_pid()
        await connection.execute("SELECT pg_terminate_backend($1)", pid)
        await until(lambda: ears.losses, "the loss is told")
        with pytest.raises(LinkLost):
            await link.ping()


async def test_repeats_within_one_transaction(postgres):
    async with linked(postgres) as (link, _):
        stored = await asyncio.gather(*(link.publish("twice", b"1", "one", KEPT) for _ in range(5)))
        assert sorted(one.duplicate for one in stored) == [False, True, True, True, True]
        assert (await link.read("twice", None, 10)).entries == [Entry(1, "one", b"1")]
