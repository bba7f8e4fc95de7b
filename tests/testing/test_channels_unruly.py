"""shallot.testing.channels_unruly: each kind of misbehaviour does what it says, and the same with the same seed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from shallot.channels.contract import Kept, LinkLost
from shallot.errors import Unavailable
from shallot.testing import Unruly, virtual_time
from shallot.testing.channels_aids import Recorder

KEPT = Kept(100, 300.0, 60.0)


@asynccontextmanager
async def linked(**options):
    backend, ears = Unruly(7, **options), Recorder()
    async with backend.connect(ears) as link:
        await link.attach(["a", "b"])
        yield backend, link, ears


async def say(link, count: int, channel: str = "a") -> None:
    for number in range(count):
        await link.publish(channel, b"1", f"{channel}{number}", KEPT)


def ids(ears: Recorder) -> list[str]:
    return [entry.id for _, _, entry in ears.messages]


@virtual_time
async def test_without_faults_it_is_memory():
    async with linked() as (backend, link, ears):
        stored = []
        backend.stored = lambda channel, position: stored.append((channel, position.id))
        await say(link, 3)
        await link.publish("a", b"1", "a1", KEPT)
        await asyncio.sleep(0.1)
        assert ids(ears) == ["a0", "a1", "a2"]
        assert stored == [("a", "a0"), ("a", "a1"), ("a", "a2")]
        assert [entry.id for entry in (await link.read("a", None, 10)).entries] == ["a0", "a1", "a2"]
        assert [entry.id for entry in (await link.recent("a", None, 1)).entries] == ["a2"]
        assert backend.reads == 1
        assert (await link.heads(["a"]))["a"].offset == 3
        await link.lease("n", 5.0)
        await link.join("a", "n", {"ann": b"{}"})
        assert len(await link.members("a")) == 1
        await link.leave("a", "n", ["ann"])
        assert [data for *_, data in ears.presence] == [b"{}", None]
        await link.ping()
        await link.detach(["a"])


@virtual_time
async def test_news_are_lost_repeated_and_late():
    async with linked() as (backend, link, ears):
        backend.lose = 1
        await say(link, 10)
        await asyncio.sleep(0.1)
        assert ids(ears) == []
        backend.lose, backend.repeat, backend.late_s = 0, 1, 1
        await say(link, 10, "b")
        await asyncio.sleep(2)
        assert sorted(ids(ears)) == sorted(2 * [f"b{number}" for number in range(10)])
        assert ids(ears) != sorted(ids(ears)), "late ones come in any order"


@virtual_time
async def test_what_is_told_to_a_link_that_is_gone_is_not_heard():
    async with linked() as (backend, link, ears):
        backend.late_s = 5
        await say(link, 3)
    await asyncio.sleep(10)
    assert ids(ears) == []


@virtual_time
async def test_calls_break_before_or_after_they_were_performed():
    async with linked() as (backend, link, _):
        backend.refuse, backend.slow_s = 1, 0.1
        broken = 0
        for number in range(20):
            try:
                await link.publish("a", b"1", f"id{number}", KEPT)
            except LinkLost:
                broken += 1
        stored = len(backend.memory._shelves["a"].entries)
        assert broken > 10
        assert 20 - broken < stored < 20
        with pytest.raises(LinkLost, match="refused"):
            async with backend.connect(Recorder()):
                pass


@virtual_time
async def test_a_frozen_backend_says_and_answers_nothing():
    async with linked() as (backend, link, ears):
        backend.late_s = 0.5
        await say(link, 3)
        backend.freeze()
        backend.memory.store("a", b"1", "unheard", KEPT, 0.0)
        waiting = [asyncio.create_task(link.ping()), asyncio.create_task(backend.connect(Recorder()).__aenter__())]
        await asyncio.sleep(60)
        assert [task.done() for task in waiting] == [False, False]
        assert ids(ears) == []
        backend.thaw()
        await asyncio.gather(*waiting)


@virtual_time
async def test_a_cut_breaks_all_links():
    async with linked() as (backend, link, ears):
        backend.cut()
        assert [str(loss) for loss in ears.losses] == ["cut"]
        with pytest.raises(LinkLost, match="broken before the call"):
            await link.ping()


@virtual_time
async def test_it_forgets_and_is_restored():
    async with linked() as (backend, link, _):
        await say(link, 3)
        before = backend.memory.head("a")
        restore = backend.snapshot()
        await say(link, 5, "b")
        backend.forget()
        assert backend.memory.head("a").epoch != before.epoch
        restore()
        assert (backend.memory.head("a"), backend.memory.head("b").offset) == (before, 0)


@virtual_time
async def test_sinks_hear_of_hints_and_losses():
    async with linked() as (backend, _, ears):
        (bad,) = backend.memory._hearing["a"]
        bad.sink.hint("a")
        bad.sink.lost(None)
        await asyncio.sleep(0.1)
        assert (ears.hints, ears.losses) == (["a"], [None])


@virtual_time
async def test_the_same_seed_does_the_same():
    async def heard() -> list[str]:
        async with linked() as (backend, link, ears):
            backend.lose, backend.repeat, backend.late_s = 0.3, 0.3, 1.0
            await say(link, 30)
            await asyncio.sleep(2)
            return ids(ears)

    assert await heard() == await heard()
    assert not Unruly(contiguous=False).caps.contiguous


@virtual_time
async def test_calls_that_are_denied_leave_the_link():
    async with linked() as (backend, link, ears):
        backend.deny = 1
        with pytest.raises(Unavailable, match="^full$") as denied:
            await say(link, 1)
        assert not isinstance(denied.value, LinkLost)
        await link.ping()
        backend.deny = 0
        await say(link, 1)
        await asyncio.sleep(0.1)
        assert (ids(ears), ears.losses) == (["a0"], [])
