"""shallot.channels.nats on a NATS of its own: options, and the streams that they make."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from shallot.channels.contract import LinkLost
from shallot.channels.nats import NatsBackend, nats_channels
from shallot.testing.channels_aids import KEPT, Recorder

from ..live.brokers import Nats
from .links import linked, raw

pytestmark = pytest.mark.needs("nats-server")


# ---- options


def test_options_are_checked_at_once():
    assert nats_channels("nats://nowhere", {"a": {"keep": 1}}, name="app", shards=2, replicas=3, storage="memory").effects
    for options, expected in [
        ({"name": "a.b"}, "name must be 1 to 64 letters, digits, _ and -, got 'a.b'"),
        ({"shards": 0}, "shards must be an int up to 256, got 0"),
        ({"replicas": True}, "replicas must be an int up to 5, got True"),
        ({"storage": "disk"}, "storage must be 'file' or 'memory', got 'disk'"),
    ]:
        with pytest.raises(ValueError, match=f"nats_channels: {expected}"):
            nats_channels("nats://nowhere", **options)
    with pytest.raises(ValueError, match="nats_channels: keep must be an int up to 50000, got 60001"):
        nats_channels("nats://nowhere", {"a": {"keep": 60_000}})
    with pytest.raises(ValueError, match="'keep' must be from 0"):
        nats_channels("nats://nowhere", {"a": {"keep": -1}})


async def test_streams_hold_what_the_topics_ask_for(nats):
    async def config(topics):
        channels = nats_channels(nats.url, topics, name="topics")
        async with channels, channels._backend.connect(Recorder()) as link:
            return (await raw(link, "STREAM.INFO", "topics-log-0"))["config"]

    first = await config(None)
    assert (first["max_msgs_per_subject"], first["max_age"], first["duplicate_window"]) == (103, 86_400 * 10**9, 60 * 10**9)
    more = await config({"a": {"keep": 500, "ttl_s": 50_000}, "b": {"dedupe_s": 300}})
    assert (more["max_msgs_per_subject"], more["max_age"], more["duplicate_window"]) == (503, 500_000 * 10**9, 300 * 10**9)
    assert await config(None) == more, "never lowered"


# ---- streams


async def test_all_make_the_streams_at_the_same_time(nats):
    links = [NatsBackend(nats.url, name="race", shards=3, max_keep=keep).connect(Recorder()) for keep in range(10, 18)]
    *_, largest = await asyncio.gather(*(link.__aenter__() for link in links))
    await largest.ping()  # one that asks for less may have been the last to write
    async with linked(nats, name="race", shards=3, max_keep=5) as (link, _):
        found = [await raw(link, "STREAM.INFO", f"race-log-{shard}") for shard in range(3)]
        assert [info["config"]["max_msgs_per_subject"] for info in found] == [20, 20, 20]
    for link in links:
        await link.__aexit__(None, None, None)


async def test_messages_survive_the_death_of_the_server():
    with Nats(durable=True) as own:
        async with linked(own) as (link, _):
            stored = (await link.publish("survives", b"1", "one", KEPT)).position
        own.kill()
        own.start()
        async with linked(own) as (link, _):
            assert (await link.heads(["survives"]))["survives"] == stored
            assert (await link.publish("survives", b"1", "one", KEPT)).duplicate


async def test_a_user_that_may_do_nothing_else():
    """The rights that docs/howto/channels-on-nats.md names."""
    page = (Path(__file__).parents[2] / "docs/howto/channels-on-nats.md").read_text()
    (rights,) = re.findall(r"```text\n(authorization .*?)```", page, re.DOTALL)
    with Nats(rights.replace("$NATS_PASSWORD", "secret")) as own:
        url = own.url.replace("//", "//app:secret@")
        async with nats_channels(url, {"room": {"presence": True}}) as one, nats_channels(url, {"room": {"presence": True}}) as other:
            async with other.subscription("room", member={"id": "ann"}) as messages:
                first = (await one.publish("room", 1))["cursor"]
                await one.publish("room", 2)
                heard = [await anext(messages) for _ in range(3)]
                assert [message.get("data") for message in heard] == [None, 1, 2]
                assert await one.members("room") == {"ann": {"id": "ann"}}
            async with one.subscription("room", cursor=first) as messages:
                assert (await anext(messages))["data"] == 2
            assert [message["data"] for message in await one.history("room")] == [1, 2]


async def test_nobody_there():
    with pytest.raises(LinkLost, match="nats: "):
        async with NatsBackend("nats://127.0.0.1:1,nats://127.0.0.1:2").connect(Recorder()):
            pass
