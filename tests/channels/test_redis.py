"""shallot.channels.redis on a Redis of its own: it passes the suite of all backends, plain, and sharded in a cluster; and what is Redis' own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from shallot.channels.contract import Entry, Kept, LinkLost, Present
from shallot.channels.redis import RedisBackend, redis_channels
from shallot.errors import Unavailable
from shallot.testing import channels_suite
from shallot.testing.channels_aids import KEPT, Recorder, until

from ..live.brokers import Redis, free_port
from .links import linked

pytestmark = pytest.mark.needs("redis-server")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Redis]:
    """A cluster of one node: it has all slots, and refuses a script whose keys are not in one."""
    with Redis("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as running:
        running.say("CLUSTER ADDSLOTSRANGE 0 16383")
        deadline = time.monotonic() + 20
        while "cluster_state:ok" not in running.say("CLUSTER INFO"):
            assert time.monotonic() < deadline, running.say("CLUSTER INFO")
            time.sleep(0.02)
        yield running


class TestRedis(channels_suite.BackendSuite):
    @pytest.fixture(autouse=True)
    def server(self, redis: Redis) -> None:
        self.redis = redis

    def make(self) -> RedisBackend:
        return RedisBackend(self.redis.url)


class TestSharded(channels_suite.BackendSuite):
    rounds = 100

    @pytest.fixture(autouse=True)
    def server(self, cluster: Redis) -> None:
        self.cluster = cluster

    def make(self) -> RedisBackend:
        return RedisBackend(self.cluster.url, sharded=True)


def keys(redis: Redis, part: str) -> list[str]:
    return [line for line in redis.say(f"KEYS *{part}*").split("\r\n")[2::2] if line]


# ---- options


def test_options_are_checked_at_once() -> None:
    assert redis_channels("redis://nowhere", {"a": {"keep": 1}}, prefix="app:").effects
    with pytest.raises(ValueError, match="redis_channels: prefix must be a str without '{', got 'a{'"):
        redis_channels("redis://nowhere", prefix="a{")
    with pytest.raises(ValueError, match="redis://"):
        redis_channels("nats://nowhere")


async def test_nobody_there() -> None:
    with pytest.raises(LinkLost, match="redis: "):
        async with RedisBackend("redis://127.0.0.1:1").connect(Recorder()):
            pass


# ---- what lies in Redis


async def test_everything_expires_the_head_last(redis: Redis) -> None:
    async with linked(redis) as (link, _):
        await link.publish("expires", b"1", "one", Kept(10, 60, 30))
        await link.join("expires", "node", {"ann": b"{}"})
        await link.lease("node", 15)
    left = {key.rpartition("}:")[2]: int(redis.say(f"PTTL {key}")[1:]) for key in keys(redis, "{expires}")}
    assert sorted(left) == ["head", "id:one", "log", "members"]
    assert left["id:one"] <= 30_000 < left["log"] <= 60_000 < 3_500_000 < left["head"] <= 3_600_000
    assert 3_500_000 < left["members"] <= 3_600_000
    assert 0 < int(redis.say("PTTL shallot:nodes")[1:])


async def test_no_more_than_is_kept(redis: Redis) -> None:
    async with linked(redis) as (link, _):
        for number in range(20):
            await link.publish("kept", b"1", f"id{number}", Kept(3, 60, 0))
        assert redis.say("XLEN shallot:{kept}:log") == ":4\r\n"
        assert keys(redis, "{kept}:id:") == []
        await link.publish("kept", b"1", "id0", Kept(1, 60, 0))
        assert redis.say("XLEN shallot:{kept}:log") == ":2\r\n"


async def test_who_hears_a_silent_channel_keeps_its_epoch(redis: Redis) -> None:
    async with linked(redis) as (link, _):
        head = (await link.attach(["silent"]))["silent"]
        redis.say("PEXPIRE shallot:{silent}:head 5000")
        assert (await link.heads(["silent"]))["silent"] == head
        assert int(redis.say("PTTL shallot:{silent}:head")[1:]) > 3_500_000


async def test_a_lost_head_takes_the_log_along(redis: Redis) -> None:
    async with linked(redis) as (link, _):
        before = await link.publish("lost", b"1", "one", KEPT)
        redis.say("DEL shallot:{lost}:head")
        page = await link.read("lost", before.position, 10)
        assert (page.gap, page.entries) == ("epoch", [])
        again = await link.publish("lost", b"1", "one", KEPT)
        assert (again.duplicate, again.position.offset) == (False, 1)


async def test_a_lost_log_is_a_gap_for_who_is_behind(redis: Redis) -> None:
    async with linked(redis) as (link, _):
        stored = [await link.publish("evicted", b"1", f"id{number}", KEPT) for number in range(3)]
        redis.say("DEL shallot:{evicted}:log")
        assert (await link.read("evicted", stored[-1].position, 10)).gap == ""
        assert (await link.read("evicted", stored[0].position, 10)).gap == "trimmed"
        after = await link.publish("evicted", b"2", "id3", KEPT)
        page = await link.read("evicted", stored[-1].position, 10)
        assert (page.gap, page.entries) == ("", [Entry(after.position.offset, "id3", b"2")])


async def test_holes_of_others_making_do_not_break_the_trimming(redis: Redis) -> None:
    async with linked(redis) as (link, _):
        for number in range(1, 6):
            await link.publish("holes", b"1", f"id{number}", Kept(10, 0.05, 60))
        (name,) = [line for line in redis.say("XRANGE shallot:{holes}:log 3 3").split("\r\n") if line.startswith("3-")]
        redis.say(f"XDEL shallot:{{holes}}:log {name}")
        await asyncio.sleep(0.06)
        after = await link.publish("holes", b"2", "id6", KEPT)
        page = await link.read("holes", None, 10)
        assert page.entries == [Entry(after.position.offset, "id6", b"2")]


async def test_databases_do_not_meet(redis: Redis) -> None:
    other = f"redis://127.0.0.1:{redis.port}/5"
    async with linked(redis) as (here, ears), linked(redis, other) as (there, other_ears):
        await here.attach(["same"])
        await there.attach(["same"])
        await here.publish("same", b"1", "one", KEPT)
        await there.publish("same", b"2", "two", KEPT)
        await here.ping()
        await there.ping()
        assert [entry.id for _, _, entry in ears.messages] == ["one"]
        assert [entry.id for _, _, entry in other_ears.messages] == ["two"]


# ---- presence


async def test_members_of_nodes_that_are_gone_for_good_are_swept(redis: Redis) -> None:
    async with linked(redis) as (link, _):
        await link.lease("lives", 15)
        await link.lease("ended", 15)
        for node in ("lives", "ended", "unknown"):
            await link.join("swept", node, {"ann": b"{}"})
        await link.lease("ended", 0)
        assert await link.members("swept") == [Present("lives", "ann", b"{}")]
        assert redis.say("HLEN shallot:{swept}:members") == ":2\r\n", "who ended just now may not know it yet"
        await link._call("SWEEP", ["shallot:{swept}:members"], ["lives\nann", "an older stamp\n{}"])
        assert await link.members("swept") == [Present("lives", "ann", b"{}")]


# ---- what others say


@pytest.mark.parametrize("payload", ["junk", "m", "mx", "j", "l", '"m\\nepoch\\nNaN\\nid\\ndata"', '"\\xff"'])
async def test_what_no_script_said_makes_the_core_look(redis: Redis, payload: str) -> None:
    async with linked(redis) as (link, ears):
        await link.attach(["foreign"])
        assert redis.say(f"PUBLISH shallot:{{foreign}}:told:0 {payload}") == ":1\r\n"
        await link.ping()
        assert (ears.hints, ears.messages, ears.presence) == (["foreign"], [], [])


async def test_what_comes_after_a_detach_is_nothing(redis: Redis) -> None:
    async with linked(redis) as (link, ears):
        await link.attach(["gone"])
        link._heard.clear()
        redis.say("PUBLISH shallot:{gone}:told:0 junk")
        await link.ping()
        assert ears.hints == []
        assert await link.attach([]) == {}
        await link.detach([])


# ---- failures


async def test_flushed_scripts_are_loaded_by_the_next_link(redis: Redis) -> None:
    async with linked(redis) as (link, ears):
        redis.say("SCRIPT FLUSH")
        with pytest.raises(LinkLost, match="NOSCRIPT|No matching script"):
            await link.publish("scripts", b"1", "one", KEPT)
        assert len(ears.losses) == 1
    async with linked(redis) as (link, _):
        assert not (await link.publish("scripts", b"1", "one", KEPT)).duplicate


async def test_a_full_redis_refuses_to_write_but_not_to_read(redis: Redis) -> None:
    async with linked(redis) as (link, ears):
        stored = await link.publish("full", b"1", "one", KEPT)
        redis.say("CONFIG SET maxmemory 1")
        try:
            with pytest.raises(Unavailable, match="redis refuses: .*maxmemory") as refusal:
                await link.publish("full", b"2", "two", KEPT)
            assert not isinstance(refusal.value, LinkLost)
            assert (await link.read("full", None, 10)).head == stored.position
        finally:
            redis.say("CONFIG SET maxmemory 0")
        assert ears.losses == []


async def test_a_full_redis_takes_hearing_from_nobody(redis: Redis) -> None:
    async with redis_channels(redis.url, {"here": {"presence": True}}, prefix="crowded:") as channels, channels.subscription("heard") as messages:
        await channels.publish("heard", 1)
        redis.say("CONFIG SET maxmemory 1")
        try:
            before = time.monotonic()
            with pytest.raises(Unavailable, match="^publish to 'heard': redis refuses: .*maxmemory"):
                await channels.publish("heard", 2)
            with pytest.raises(Unavailable, match="redis refuses: .*maxmemory"):
                async with channels.subscription("here", member={"id": "ann"}):
                    pass
            assert time.monotonic() - before < 2, "they are told at once"
            async with channels.subscription("heard", cursor=messages.cursor) as another, channels.subscription("new"):
                assert another.result["recovered"]
        finally:
            redis.say("CONFIG SET maxmemory 0")
        await channels.publish("heard", 3)
        assert [(await anext(messages))["data"] for _ in range(2)] == [1, 3]
        async with channels.subscription("here", member={"id": "ann"}):
            assert await channels.members("here") == {"ann": {"id": "ann"}}
        assert channels.stats()["links"] == 1


@pytest.mark.parametrize("kind", ["normal", "pubsub"])
async def test_either_connection_is_the_link(redis: Redis, kind: str) -> None:
    async with linked(redis) as (link, ears):
        await link.attach(["either"])
        redis.say(f"CLIENT KILL TYPE {kind}")
        await until(lambda: ears.losses, "the loss is told")
        with pytest.raises(LinkLost):
            await link.ping()


async def test_who_may_not_subscribe_is_told(redis: Redis) -> None:
    redis.say("ACL SETUSER deaf on nopass ~* +@all -subscribe")
    async with linked(redis, f"redis://deaf:x@127.0.0.1:{redis.port}") as (link, _):
        with pytest.raises(LinkLost, match="subscribe"):
            await link.attach(["a", "b"])


async def test_publishers_that_go_away_disturb_nobody(redis: Redis) -> None:
    async with linked(redis) as (link, _):
        works = [asyncio.create_task(link.publish("many", b"1", f"id{number}", KEPT)) for number in range(200)]
        await asyncio.sleep(0)
        for work in works[::2]:
            work.cancel()
        await asyncio.wait(works)
        stored = [work.result() for work in works[1::2]]
        assert [one.position.id for one in stored] == [f"id{number}" for number in range(1, 200, 2)]
        assert len({one.position.offset for one in stored}) == 100
