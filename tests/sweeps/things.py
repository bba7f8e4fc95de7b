"""Scenes of what is used without a request: channels on a backend that waits in each call, and what stands around work that waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shallot.channels.memory import MemoryBackend
from shallot.channels.resource import Channels
from shallot.deadline import within
from shallot.keepalive import KeptAlive
from shallot.threads import Threads

from .points import Sweep
from .servers import pause

TOPICS: Any = {"*": {"presence": True, "keep": 10}, "block": {"slow": "block", "lag": 2}}


class SlowLink:
    """Each call waits before and after it did what was asked."""

    def __init__(self, link: Any) -> None:
        self._link = link

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any) -> Any:
            await pause()
            result = await getattr(self._link, name)(*args)
            await pause()
            return result

        return call


class SlowBackend:
    def __init__(self) -> None:
        self.kept = MemoryBackend()
        self.caps = self.kept.caps

    @asynccontextmanager
    async def connect(self, sink: Any) -> AsyncGenerator[Any, None]:
        await pause()
        async with self.kept.connect(sink) as link:
            try:
                yield SlowLink(link)
            finally:
                await pause()


def slow_channels() -> Channels:
    return Channels(SlowBackend(), TOPICS)  # type: ignore[arg-type]


async def still_work(channels: Channels) -> None:
    """Nobody is left in them, and who comes now hears all that is said."""
    assert (channels.stats()["readers"], await channels.members("room")) == (0, {})
    async with channels.subscription("room") as messages:
        for number in range(3):
            await channels.publish("room", number)
        assert [(await anext(messages))["data"] for _ in range(3)] == [0, 1, 2]
    await asyncio.sleep(120)  # one that nobody hears is detached in the meantime
    assert (channels.stats()["readers"], channels.stats()["channels"]) == (0, 0)


async def with_channels(sweep: Sweep, work: Any) -> None:
    try:
        async with slow_channels() as channels:
            await sweep(work(channels))
            await asyncio.sleep(30)  # the lease of a node that could not say goodbye
            await still_work(channels)
    except (asyncio.CancelledError, TimeoutError):
        if not sweep.struck:
            raise


async def channels_entered_and_left(sweep: Sweep) -> None:
    channels = slow_channels()

    async def life() -> None:
        async with channels:
            await pause()

    await sweep(life())
    async with channels:
        await still_work(channels)


async def a_publish(sweep: Sweep) -> None:
    async def work(channels: Channels) -> None:
        await channels.publish("room", "one", id="1")
        await channels.publish("room", "one", id="1")

    await with_channels(sweep, work)


async def a_subscription(sweep: Sweep) -> None:
    async def work(channels: Channels) -> None:
        async with channels.subscription("room", member={"id": "ann"}) as messages:
            await channels.publish("room", "one")
            async for message in messages:
                if message["type"] == "channel.message":
                    break
        async with channels.subscription("room", cursor=messages.cursor) as again:
            await channels.publish("room", "two")
            await anext(again)

    await with_channels(sweep, work)


async def two_subscriptions_of_one_channel(sweep: Sweep) -> None:
    """The one that goes on never notices that the other was cancelled while the channel was being attached."""

    async def hears_two(channels: Channels) -> list[Any]:
        async with channels.subscription("room") as messages:
            hearing.set()
            return [(await anext(messages))["data"] for _ in range(2)]

    async def work(channels: Channels) -> None:
        other = asyncio.create_task(hears_two(channels))
        others.append(other)
        await pause()
        async with channels.subscription("room") as messages:
            await channels.publish("room", 1)
            await channels.publish("room", 2)
            await anext(messages)

    others: list[asyncio.Task[list[Any]]] = []
    hearing = asyncio.Event()
    try:
        async with slow_channels() as channels:
            await sweep(work(channels))
            async with asyncio.timeout(100):
                await hearing.wait()
            for number in (3, 4) if sweep.struck else ():
                await channels.publish("room", number)
            for other in others:
                heard = await other
                assert heard in ([1, 2], [2, 3], [3, 4], [1, 3]), heard
            await still_work(channels)
    except asyncio.CancelledError:
        if not sweep.struck:
            raise


async def members_and_history(sweep: Sweep) -> None:
    async def work(channels: Channels) -> None:
        await channels.publish("room", "one")
        await channels.members("room")
        await channels.history("room")

    await with_channels(sweep, work)


async def a_publisher_that_waits_for_readers(sweep: Sweep) -> None:
    async def reads_slowly(messages: Any) -> None:
        for _ in range(8):
            await anext(messages)
            await asyncio.sleep(1)

    async def work(channels: Channels) -> None:
        async with channels.subscription("block", slow="block") as messages, asyncio.TaskGroup() as group:
            group.create_task(reads_slowly(messages))
            for number in range(8):
                await channels.publish("block", number)

    await with_channels(sweep, work)


async def signs_of_life(sweep: Sweep) -> None:
    closed: list[str] = []

    async def items() -> AsyncIterator[bytes]:
        try:
            for _ in range(3):
                await asyncio.sleep(2)
                yield b"item"
        finally:
            await pause()
            closed.append("items")

    async def work() -> None:
        kept = KeptAlive(items(), bytes, b"sign", 0.5)
        try:
            async for _ in kept:
                await pause()
        finally:
            await kept.aclose()

    await sweep(work())


async def a_deadline_in_a_deadline(sweep: Sweep) -> None:
    async def work() -> None:
        await pause()
        try:
            await within(0.5, asyncio.sleep(2))
        except TimeoutError:
            await pause()

    await sweep(within(5, within(4, work())))


async def a_call_in_a_thread(sweep: Sweep) -> None:
    threads = Threads(1)
    try:
        await sweep(threads.run(sorted, [2, 1]))
        assert await threads.run(sorted, [2, 1]) == [1, 2]
    finally:
        threads.close()


THINGS = {
    scene.__name__: scene
    for scene in (
        *(channels_entered_and_left, a_publish, a_subscription, two_subscriptions_of_one_channel, members_and_history, a_publisher_that_waits_for_readers),
        *(signs_of_life, a_deadline_in_a_deadline, a_call_in_a_thread),
    )
}
