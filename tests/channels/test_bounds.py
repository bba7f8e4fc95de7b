"""What subscriptions cost, and that they leave nothing: registries, tasks and memory after many have come and gone.

``SHALLOT_CYCLES=100000`` takes so many (``make cycles``).
"""

from __future__ import annotations

import asyncio
import gc
import os
import tracemalloc

import pytest

from shallot.channels import memory_channels
from shallot.effects import publish, subscribe, unsubscribe
from shallot.testing import virtual_time
from shallot.websocket.mailbox import ClientQueue, SharedMailbox

CYCLES = int(os.environ.get("SHALLOT_CYCLES", "3000"))
IDLE_BYTES = 300


def build_mailbox() -> SharedMailbox:
    return SharedMailbox(ClientQueue(64, 1 << 20), lambda: None)


def used() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.timeout(60 + CYCLES // 200)
@pytest.mark.parametrize("is_same", [True, False], ids=["one-channel", "each-its-own"])
@virtual_time
async def test_I2_I6_subscribe_and_leave_and_nothing_is_left(is_same):
    async with memory_channels({"here:*": {"presence": True}}, grace_s=0.0) as channels:
        perform = channels.effects

        async def come_and_go(number: int) -> None:
            name = f"here:{'x' if is_same else number}"
            mailbox = build_mailbox()
            await perform["channel.subscribe"](subscribe(name, member={"id": "ann"} if number % 7 == 0 else None), {}, mailbox)
            if number % 3 == 0:
                await perform["channel.unsubscribe"](unsubscribe(name), {}, mailbox)
            for closing in mailbox.shut():
                await closing

        async def rounds(count: int) -> None:
            for start in range(0, count, 50):
                await asyncio.gather(*(come_and_go(number) for number in range(start, start + 50)))
            async with asyncio.timeout(30):
                while channels._hub.attendance._own or channels._backend._hearing:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

        tracemalloc.start()  # before the first: asyncio keeps up to a hundred cancelled timers, with their tasks, whoever they are of
        try:
            await rounds(500)
            tasks = len(asyncio.all_tasks())
            before = used()
            await rounds(CYCLES)
            after = used()
        finally:
            tracemalloc.stop()
        stats, hub, backend = channels.stats(), channels._hub, channels._backend
        left = {
            **{"channels": stats["channels"], "readers": stats["readers"], "tasks": len(asyncio.all_tasks()) - tasks},
            **{"channels to attach": len(hub._new), "to detach": len(hub._gone), "attached": len(backend._hearing)},
            **{"members": len(backend._members), "leaving": len(hub.attendance._leaving)},
        }
        print(f"\n{CYCLES} subscriptions came and went; left of them: {', '.join(f'{count} {what}' for what, count in left.items())}, {after - before} bytes")
        assert set(left.values()) == {0}, left
        assert after - before < 40_000, f"{(after - before) / CYCLES:.0f} bytes a cycle"  # CPython's list of free future iterators grows to 14 kB


@pytest.mark.parametrize("count", [1000])
async def test_an_idle_subscription_is_small(count):
    """All of it: the reader, its key and its wake in the mailbox, its place in the channel; not the mailbox, which timers and feeds share."""
    async with memory_channels() as channels, channels.subscription("a"):
        mailboxes = [build_mailbox() for _ in range(count)]
        for mailbox in mailboxes:
            mailbox._sources["other", ""] = object()
        perform = channels.effects["channel.subscribe"]
        effect = subscribe("a")
        await perform(effect, {}, mailboxes[0])
        tracemalloc.start()
        try:
            before = used()
            for mailbox in mailboxes[1:]:
                await perform(effect, {}, mailbox)
            each = (used() - before) / (count - 1)
        finally:
            tracemalloc.stop()
        for mailbox in mailboxes:
            del mailbox._sources["other", ""]
            for closing in mailbox.shut():
                await closing
    print(f"an idle subscription: {each:.0f} bytes")
    assert each <= IDLE_BYTES


@virtual_time
async def test_I1_stuck_readers_cost_nothing():
    """A thousand that never read hold what one of them holds, at most ``lag``; and nothing once they are given up."""
    async with memory_channels({"a": {"lag": 100, "keep": 0}, "b": {"lag": 100, "keep": 0, "slow": "oldest"}}) as channels:
        for name, least in ("a", 0), ("b", 50):
            mailboxes = [build_mailbox() for _ in range(1000)]
            for mailbox in mailboxes:
                await channels.effects["channel.subscribe"](subscribe(name), {}, mailbox)
            tracemalloc.start()
            try:
                before = used()
                for number in range(1000):
                    await channels.publish(name, "x" * 1000 + str(number), id=f"id{number}")
                grown = used() - before
            finally:
                tracemalloc.stop()
            assert least * 1000 <= grown < 1_000_000, f"{name}: {grown} bytes for 1,000 messages to 1,000 stuck readers"
            for mailbox in mailboxes:
                for closing in mailbox.shut():
                    await closing


@virtual_time
async def test_a_stuck_reader_does_not_delay_the_others():
    async with memory_channels() as channels:
        stuck, free = build_mailbox(), build_mailbox()
        for mailbox in (stuck, free):
            await channels.effects["channel.subscribe"](subscribe("a"), {}, mailbox)
        for number in range(5000):
            await channels.effects["channel.publish"](publish("a", number), {}, stuck)
            assert free.take()["data"] == number
        for mailbox in (stuck, free):
            for closing in mailbox.shut():
                await closing
