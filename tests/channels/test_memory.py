"""shallot.channels.memory: the backend of one process passes the suite of all backends, and holds what it keeps in bounds."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from shallot.channels.contract import Kept
from shallot.channels.memory import FORGET_S, MAX_IDS, MemoryBackend, Shelf, memory_channels
from shallot.testing import virtual_time
from shallot.testing.channels_aids import Recorder
from shallot.testing.channels_suite import BackendSuite


class TestMemory(BackendSuite):
    @pytest.fixture(autouse=True)
    def store(self):
        self.backend = MemoryBackend()

    def make(self):
        return self.backend


# ---- what it keeps is bounded


@asynccontextmanager
async def linked(**options):
    backend = MemoryBackend(**options)
    async with backend.connect(Recorder()) as link:
        yield backend, link


KEPT = Kept(10, 100.0, 60.0)


@virtual_time
async def test_ids_are_remembered_for_a_time_and_in_bounds():
    async with linked() as (backend, link):
        await link.publish("a", b"1", "same", KEPT)
        await asyncio.sleep(59)
        assert (await link.publish("a", b"1", "same", KEPT)).duplicate
        await asyncio.sleep(2)
        assert not (await link.publish("a", b"1", "same", KEPT)).duplicate
        for number in range(MAX_IDS + 100):
            await link.publish("a", b"1", f"id{number}", KEPT)
        assert len(backend._shelves["a"].ids) <= MAX_IDS + 1


@virtual_time
async def test_a_silent_channel_forgets_its_messages_then_its_head():
    async with linked() as (backend, link):
        await link.publish("a", b"1", "x", KEPT)
        await link.publish("heard", b"1", "x", KEPT)
        head = (await link.attach(["heard"]))["heard"]
        await asyncio.sleep(200)
        await link.lease("node", 15.0)
        await link.lease("node", 15.0)
        assert [len(shelf.entries) for shelf in backend._shelves.values()] == [0, 0]
        await asyncio.sleep(FORGET_S)
        await link.lease("node", 15.0)
        assert list(backend._shelves) == ["heard"]
        assert (await link.heads(["heard"]))["heard"] == head


@virtual_time
async def test_what_was_forgotten_never_begins_anew_in_the_same_epoch():
    async with linked() as (_, link):
        first = (await link.publish("a", b"1", "x", KEPT)).position
        await asyncio.sleep(FORGET_S)
        await link.lease("node", 15.0)
        assert (await link.read("a", first, 10)).gap == "epoch"
        assert (await link.publish("a", b"1", "x", KEPT)).position.epoch != first.epoch


@virtual_time
async def test_an_empty_channel_keeps_its_epoch_while_it_is_heard():
    async with linked() as (backend, link):
        before = (await link.attach(["a"]))["a"]
        backend._shelves["b"] = Shelf("x", 0.0)
        backend.forget("b")
        backend.forget(None)
        assert (await link.publish("a", b"1", "x", KEPT)).position.epoch == before.epoch


@virtual_time
async def test_I6_channels_have_a_bound():
    async with linked(max_channels=100) as (backend, link):
        await link.attach(["heard"])
        await link.publish("heard", b"1", "x", KEPT)
        for number in range(10_000):
            await link.publish(f"c{number}", b"1", "x", KEPT)
        assert len(backend._shelves) == 100
        assert next(iter(backend._shelves)) == "heard"
        assert list(backend._shelves)[-1] == "c9999"


@virtual_time
async def test_when_all_are_heard_the_bound_gives_way():
    async with linked(max_channels=1) as (backend, link):
        await link.attach(["a", "b"])
        await link.publish("a", b"1", "x", KEPT)
        await link.publish("b", b"1", "x", KEPT)
        assert set(backend._shelves) == {"a", "b"}


@virtual_time
async def test_members_of_a_node_whose_lease_ended_are_deleted():
    async with linked() as (backend, link):
        for node in ("dead", "live"):
            await link.lease(node, 10.0)
            await link.join("a", node, {"ann": b"{}"})
        await link.join("b", "dead", {"ann": b"{}"})
        await asyncio.sleep(5)
        await link.lease("live", 10.0)
        await asyncio.sleep(6)
        assert set(await link.lease("live", 10.0)) == {"live"}
        assert backend._members == {"a": {("live", "ann"): b"{}"}}


def test_memory_channels_is_a_resource():
    channels = memory_channels({"a": {"keep": 1}}, max_channels=5, node="x")
    assert set(channels.effects) == {"channel.subscribe", "channel.unsubscribe", "channel.publish", "channel.members", "channel.history"}
