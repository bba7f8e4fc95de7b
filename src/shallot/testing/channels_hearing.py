"""The suite of channel backends, second part: who is told, who is present, and how a link lives and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from secrets import token_hex
from typing import Any

from ..channels.contract import Entry, Present
from .channels_aids import KEPT, Cases, Recorder, case, equal, until

__all__ = ["HearingCases"]


class HearingCases(Cases):
    """Of several links: attach, presence, life."""

    # ---- hearing

    @case
    async def test_what_is_published_after_attach_is_told(self) -> None:
        ears = Recorder()
        async with self.link(ears) as listener, self.link() as speaker:
            for _ in range(100):
                channel = self.name()
                head = (await listener.attach([channel]))[channel]
                stored = await speaker.publish(channel, b"1", "id1", KEPT)
                await until(lambda channel=channel: ears.told(channel), "told at once")  # type: ignore[misc]
                equal((await listener.read(channel, head, 10)).entries[0].offset, stored.position.offset)
                told = [(epoch, entry) for name, epoch, entry in ears.messages if name == channel]
                equal(told in ([], [(stored.position.epoch, Entry(stored.position.offset, "id1", b"1"))]), True, f"what was told: {told}")
                await listener.detach([channel])

    @case
    async def test_all_links_are_told_in_order(self) -> None:
        channel, ears = self.name(), [Recorder(), Recorder(), Recorder()]
        async with AsyncExitStack() as stack:
            links = [await stack.enter_async_context(self.link(one)) for one in ears]
            for link in links:
                await link.attach([channel])
            stored = await self.fill(links[0], channel, 50)
            for one in ears:
                await until(lambda one=one: len(one.messages) >= 50 or one.hints, "all were told")  # type: ignore[misc]
                if not one.hints:
                    equal([entry.offset for _, _, entry in one.messages], [each.position.offset for each in stored])

    @case
    async def test_the_later_attach_wins(self) -> None:
        channel, ears = self.name(), Recorder()
        async with self.link(ears) as link, self.link() as speaker:
            await link.detach([channel])
            await link.attach([channel])
            await link.attach([channel])
            for number in range(20):
                await link.detach([channel])
                await link.attach([channel])
                await speaker.publish(channel, b"1", f"id{number}", KEPT)
            await until(lambda: ears.hints or any(entry.id == "id19" for _, _, entry in ears.messages), "the last one was told")

    @case
    async def test_a_thousand_channels(self) -> None:
        ears, names = Recorder(), [self.name(str(number)) for number in range(1000)]
        async with self.link(ears) as link, self.link() as speaker:
            heads = {**await link.attach(names[:500]), **await link.attach(names[500:])}
            equal(set(heads), set(names))
            for start in range(0, 1000, 100):
                await asyncio.gather(*(speaker.publish(name, b"1", "id1", KEPT) for name in names[start : start + 100]))
            await until(lambda: {name for name, _, _ in ears.messages} | set(ears.hints) >= set(names), "all were told", 20)
            now = {**await link.heads(names[:500]), **await link.heads(names[500:])}
            equal({head.id for head in now.values()}, {"id1"})
            await link.detach(names[:500])
            await link.detach(names[500:])

    # ---- presence

    @case
    async def test_leases(self) -> None:
        one, other = token_hex(8), token_hex(8)
        async with self.link() as link, self.link() as second:
            leases = await link.lease(one, 15.0)
            equal(10 < leases[one] <= 15.5, True, f"seconds left: {leases[one]}")
            leases = await second.lease(other, 15.0)
            equal({one, other} <= set(leases), True, "both hold")
            leases = await second.lease(one, 0)
            equal((one in leases, other in leases), (False, True), "an ended lease")
            await link.lease(one, 1.0)
            await asyncio.sleep(1.2)
            equal(one in await second.lease(other, 15.0), False, "an expired lease")

    @case
    async def test_members(self) -> None:
        channel, one, other = self.name(), token_hex(8), token_hex(8)
        first, second = Recorder(), Recorder()
        async with self.link(first) as link, self.link(second) as remote:
            await link.lease(one, 15.0)
            await remote.lease(other, 15.0)
            await link.attach([channel])
            await remote.attach([channel])
            equal(list(await link.members(channel)), [])
            await link.join(channel, one, {"ann": b'{"id":"ann"}', "bob": b'{"id":"bob"}'})
            await remote.join(channel, other, {"ann": b'{"id":"ann"}', "🧅": '{"id":"🧅"}'.encode()})
            everybody = {
                Present(one, "ann", b'{"id":"ann"}'),
                Present(one, "bob", b'{"id":"bob"}'),
                Present(other, "ann", b'{"id":"ann"}'),
                Present(other, "🧅", '{"id":"🧅"}'.encode()),
            }
            equal(set(await link.members(channel)), everybody)
            equal(set(await remote.members(channel)), everybody)
            await link.join(channel, one, {"ann": b'{"id":"ann","n":2}'})
            equal(len(await remote.members(channel)), 4, "the same id again replaces")
            await link.leave(channel, one, ["bob", "nobody"])
            await remote.leave(channel, one, ["bob"])
            equal({(present.node, present.member) for present in await remote.members(channel)}, {(one, "ann"), (other, "ann"), (other, "🧅")})
            for ears in (first, second):
                await until(lambda ears=ears: len(ears.presence) >= 6, "all was announced")  # type: ignore[misc]
                equal([(node, member) for _, node, member, data in ears.presence if data is None], [(one, "bob")], "announced leaves")
                equal([data for _, node, member, data in ears.presence if (node, member) == (one, "ann")], [b'{"id":"ann"}', b'{"id":"ann","n":2}'])

    @case
    async def test_members_of_a_dead_node_are_gone(self) -> None:
        channel, one, other = self.name(), token_hex(8), token_hex(8)
        async with self.link() as link, self.link() as remote:
            await link.lease(one, 1.0)
            await remote.lease(other, 15.0)
            await link.join(channel, one, {"ann": b'{"id":"ann"}'})
            await remote.join(channel, other, {"bob": b'{"id":"bob"}'})
            await asyncio.sleep(1.2)
            equal([present.member for present in await remote.members(channel)], ["bob"])
            await link.lease(one, 15.0)
            await link.join(channel, one, {"ann": b'{"id":"ann"}'})
            equal({present.member for present in await remote.members(channel)}, {"ann", "bob"}, "it came back")

    # ---- its life

    @case
    async def test_ping(self) -> None:
        async with self.link() as link:
            await link.ping()

    @case
    async def test_links_come_and_go(self) -> None:
        channel = self.name()
        async with self.link() as link:
            stored = await self.fill(link, channel, 3)
        for _ in range(5):
            async with self.link() as link:
                equal((await link.attach([channel]))[channel], stored[-1].position)

    @case
    async def test_an_error_leaves_nothing_behind(self) -> None:
        try:
            async with self.link() as link:
                await link.attach([self.name()])
                raise KeyError("ours")
        except KeyError:
            pass

    @case
    async def test_cancelled_at_every_await(self) -> None:
        channel, node = self.name(), token_hex(8)
        async with self.link() as link:
            await link.lease(node, 15.0)
            calls: Sequence[Callable[[], Coroutine[Any, Any, Any]]] = [
                lambda: link.publish(channel, b"1", token_hex(4), KEPT),
                lambda: link.attach([channel]),
                lambda: link.read(channel, None, 10),
                lambda: link.recent(channel, None, 10),
                lambda: link.heads([channel]),
                lambda: link.lease(node, 15.0),
                lambda: link.join(channel, node, {"ann": b'{"id":"ann"}'}),
                lambda: link.members(channel),
                lambda: link.leave(channel, node, ["ann"]),
                lambda: link.ping(),
                lambda: link.detach([channel]),
            ]
            for call in calls:
                for steps in range(12):
                    task = asyncio.ensure_future(call())
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    task.cancel()
                    await asyncio.wait([task])
                    equal(task.cancelled() or task.exception() is None, True, f"{task}")
            stored = await self.fill(link, channel, 1)
            equal((await link.read(channel, None, 1000)).entries[-1].offset, stored[0].position.offset, "the link still works")
