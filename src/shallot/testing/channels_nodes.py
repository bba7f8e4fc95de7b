"""The suite of channel backends, third part: whole nodes on them. What the core promises is promised on every backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any

from ..channels.resource import Channels
from ..channels.subscription import Subscription
from .channels_aids import Cases, case, equal, until

__all__ = ["NodeCases"]

TOPICS: Mapping[str, Mapping[str, Any]] = {"here:*": {"presence": True}, "few:*": {"keep": 3}, "*": {"keep": 1000}}


class NodeCases(Cases):
    """Of two nodes: what one says, the other hears."""

    rounds = 1000
    """How often subscribe-then-publish is tried."""

    @asynccontextmanager
    async def node(self, **options: Any) -> AsyncGenerator[Channels, None]:
        async with Channels(self.make(), TOPICS, **options) as channels:
            yield channels

    @staticmethod
    async def take(messages: Subscription, count: int = 1, seconds: float = 20.0) -> list[Mapping[str, Any]]:
        """The next ``count`` messages of whatever kind."""
        async with asyncio.timeout(seconds):
            return [await anext(messages) for _ in range(count)]

    @case
    async def test_what_follows_a_subscribe_is_heard(self) -> None:
        async with self.node() as one, self.node() as other:
            for number in range(self.rounds):
                async with one.subscription(self.name()) as messages:
                    channel = await self._said(other if number % 2 else one, messages, number)
                    equal(channel["data"], number, f"round {number}")

    async def _said(self, node: Channels, messages: Subscription, number: int) -> Mapping[str, Any]:
        await node.publish(messages.channel, number)
        return (await self.take(messages))[0]

    @case
    async def test_order_of_eight_publishers(self) -> None:
        channel = self.name()
        async with self.node() as one, self.node() as other, one.subscription(channel) as first, other.subscription(channel) as second:

            async def speak(number: int) -> None:
                for count in range(50):
                    await (one, other)[number % 2].publish(channel, [number, count])

            await asyncio.gather(*map(speak, range(8)))
            heard, again = await self.take(first, 400), await self.take(second, 400)
            equal([message["id"] for message in heard], [message["id"] for message in again], "the same order for all")
            for number in range(8):
                equal([message["data"][1] for message in heard if message["data"][0] == number], list(range(50)), f"publisher {number}")

    @case
    async def test_a_repeated_id_is_heard_once(self) -> None:
        channel = self.name()
        async with self.node() as one, self.node() as other, other.subscription(channel) as messages:
            first = await one.publish(channel, 1, id="same")
            again = await other.publish(channel, 2, id="same")
            equal((first["duplicate"], again), (False, {"cursor": first["cursor"], "duplicate": True}))
            await one.publish(channel, 3)
            equal([message["data"] for message in await self.take(messages, 2)], [1, 3])

    @case
    async def test_a_cursor_that_holds(self) -> None:
        channel = self.name()
        async with self.node() as one, self.node() as other:
            cursors = [(await one.publish(channel, number))["cursor"] for number in range(10)]
            for node in (one, other):
                for number, cursor in enumerate(cursors):
                    async with node.subscription(channel, cursor=cursor) as messages:
                        equal(messages.result, {"cursor": cursor, "recovered": True, "missed": 0})
                        await one.publish(channel, "last", id="last")
                        heard = await self.take(messages, 10 - number)
                        equal([message["data"] for message in heard], [*range(number + 1, 10), "last"], f"after message {number}")

    @case
    async def test_cursors_where_nothing_was_ever_said(self) -> None:
        """As after a restart without memory: all who come back are told so, and go on."""
        channel = self.name("empty")
        async with self.node() as node:
            for number, (cursor, reason) in enumerate([("another.0.", "epoch"), ("another.3.id3", "epoch"), ("forged", "cursor")]):
                async with node.subscription(f"{channel}{number}", cursor=cursor) as messages:
                    (gap,) = await self.take(messages, 1)
                    equal((gap["type"], gap["reason"]), ("channel.gap", reason), f"with the cursor {cursor}")
                    await node.publish(f"{channel}{number}", "first")
                    equal([message["data"] for message in await self.take(messages, 1)], ["first"])

    @case
    async def test_cursors_that_do_not_hold(self) -> None:
        channel = self.name("few")
        async with self.node() as one, self.node() as other:
            first = (await one.publish(channel, 0))["cursor"]
            epoch, offset, _ = first.split(".", 2)
            for number in range(1, 20):
                await one.publish(channel, number, id=f"id{number}")
            last = (await one.publish(channel, 20, id="id20"))["cursor"]
            kept = [17, 18, 19, 20]
            for cursor, reason in [
                (first, "trimmed"),
                (f"another.{last.split('.')[1]}.id20", "epoch"),
                (last.replace("id20", "id21"), "rollback"),
                (f"{epoch}.{int(last.split('.')[1]) + 1}.id21", "rollback"),
                ("forged", "cursor"),
                ("", "cursor"),
                ("🧅", "cursor"),
                ("x" * 5000, "cursor"),
                (f"{epoch}.0{offset}.id", "cursor"),
            ]:
                async with other.subscription(channel, cursor=cursor) as messages:
                    gap, *heard = await self.take(messages, 1 + len(kept))
                    equal((gap["type"], gap["reason"]), ("channel.gap", reason), f"with the cursor {cursor:.60}")
                    equal((messages.result["recovered"], messages.result["missed"]), (False, gap["missed"]))
                    equal([message.get("data") for message in heard], kept, f"with the cursor {cursor:.60}")
                    if reason == "trimmed" and self.make().caps.contiguous:
                        equal(gap["missed"], 16)

    @case
    async def test_many_come_back_at_once(self) -> None:
        channel = self.name()
        async with self.node() as one, self.node() as other:
            cursors = [(await one.publish(channel, number))["cursor"] for number in range(100)]

            async def come_back(number: int) -> list[Any]:
                async with other.subscription(channel, cursor=cursors[number]) as messages:
                    return [message["data"] for message in await self.take(messages, 99 - number)]

            heard = await asyncio.gather(*(come_back(number % 99) for number in range(300)))
            equal(heard, [list(range(number % 99 + 1, 100)) for number in range(300)])

    @case
    async def test_presence_on_two_nodes(self) -> None:
        channel = self.name("here")
        ann, bob = {"id": "ann"}, {"id": "bob", "name": "Bob"}
        async with self.node(grace_s=0.3) as one, self.node(grace_s=0.3) as other, one.subscription(channel) as messages:
            async with other.subscription(channel, member=ann), one.subscription(channel, member=ann):
                async with one.subscription(channel, member=bob):
                    heard = await self.take(messages, 2)
                    equal([(message["type"], message["member"]) for message in heard], [("channel.joined", ann), ("channel.joined", bob)])
                    await self._agree(channel, {"ann": ann, "bob": bob}, one, other)
                equal([(message["type"], message["member"]) for message in await self.take(messages)], [("channel.left", bob)])
                await self._agree(channel, {"ann": ann}, one, other)
            async with other.subscription(channel, member=ann):
                await asyncio.sleep(0.6)
                await self._agree(channel, {"ann": ann}, one, other)
            equal([(message["type"], message["member"]) for message in await self.take(messages)], [("channel.left", ann)])
            await self._agree(channel, {}, one, other)

    async def _agree(self, channel: str, expected: Mapping[str, Any], *nodes: Channels) -> None:
        for node in nodes:
            async with asyncio.timeout(10):
                while await node.members(channel) != expected:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    @case
    async def test_history(self) -> None:
        channel = self.name("few")
        async with self.node() as one, self.node() as other:
            equal(await one.history(channel), [])
            cursors = [(await one.publish(channel, number))["cursor"] for number in range(10)]
            equal([message.get("data") for message in await other.history(channel)], [7, 8, 9])
            equal([message.get("data") for message in await other.history(channel, limit=2)], [8, 9])
            equal([message["cursor"] for message in await other.history(channel, limit=2)], cursors[8:])

    @case
    async def test_subscriptions_cancelled_at_every_await(self) -> None:
        channel = self.name("here")
        async with self.node(grace_s=0.1) as node, self.node() as other:
            cursor = (await other.publish(channel, 1))["cursor"]

            async def subscribe() -> None:
                async with node.subscription(channel, cursor=cursor, member={"id": token_hex(4)}) as messages:
                    await anext(messages)

            for steps in range(40):
                task = asyncio.ensure_future(subscribe())
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                equal(task.cancelled() or task.exception() is None, True, f"{task}")
            equal((node.stats()["channels"], node.stats()["readers"]), (0, 0), "channels and readers that are left")
            await self._agree(channel, {}, other)

    @case
    async def test_shutdown_loses_nothing(self) -> None:
        channel, heard = self.name(), list[Any]()
        async with self.node() as other:
            async with self.node() as node:
                reading = asyncio.ensure_future(self._read_to_the_end(node, channel, heard))
                await until(lambda: node.stats()["readers"], "it subscribes")
                for number in range(5):
                    await other.publish(channel, number)
                await until(lambda: len(heard) == 5, "it hears")
            cursor = await asyncio.wait_for(reading, 5)
            for number in range(5, 10):
                await other.publish(channel, number)
            async with self.node() as node, node.subscription(channel, cursor=cursor) as messages:
                equal(messages.result["recovered"], True)
                equal(heard + [message["data"] for message in await self.take(messages, 5)], list(range(10)))

    async def _read_to_the_end(self, node: Channels, channel: str, heard: list[Any]) -> str:
        async with node.subscription(channel) as messages:
            async for message in messages:
                heard.append(message["data"])
            return messages.cursor
