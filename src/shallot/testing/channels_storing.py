"""The suite of channel backends, first part: what is stored, numbered, kept and read again."""

from __future__ import annotations

import asyncio
from secrets import token_hex

from ..channels.contract import Entry, Kept, Position, Stored
from .channels_aids import KEPT, SHORT, SMALL, Cases, Recorder, case, equal, until

__all__ = ["NAMES", "StoringCases"]

NAMES = (
    *("a", "A", "a.b", "a:b", "a/b", "a b", " a", "a ", "*", ">", "a.*", "a.>", "?", "[a]", "{a}", "$a", "#", "%41", "%", "a\nb", "a\x00b", "\x00"),
    *("é", "e\u0301", "ß", "SS", "漢字", "🧅", "\u200b", "'; drop table log; --", '"', "\\", "-", "_", "a" * 255, "A" * 255, "漢" * 85),
)
"""Names of channels; no two of them are the same channel."""


class StoringCases(Cases):
    """Of one link: publish and read."""

    # ---- publishing and reading

    @case
    async def test_positions_rise(self) -> None:
        channel = self.name()
        async with self.link() as link:
            stored = await self.fill(link, channel, 5)
            equal([one.duplicate for one in stored], [False] * 5)
            equal([one.position.id for one in stored], ["id1", "id2", "id3", "id4", "id5"])
            equal(len({one.position.epoch for one in stored}), 1, "epochs")
            epoch, offsets = stored[0].position.epoch, [one.position.offset for one in stored]
            equal(epoch.isalnum() and epoch.isascii() and 1 <= len(epoch) <= 32, True, f"an epoch like {epoch!r} is well-formed")
            equal(offsets, sorted(set(offsets)), "offsets rise")
            if self.make().caps.contiguous:
                equal(offsets, [1, 2, 3, 4, 5])
            equal((await link.heads([channel]))[channel], stored[-1].position, "head")
            page = await link.read(channel, None, 100)
            equal((page.head, page.gap), (stored[-1].position, ""))
            equal(list(page.entries), [Entry(one.position.offset, one.position.id, str(n).encode()) for n, one in enumerate(stored, 1)])

    @case
    async def test_an_empty_channel_has_a_position_that_holds(self) -> None:
        channel = self.name()
        async with self.link() as link:
            head = (await link.attach([channel]))[channel]
            equal(head.id, "")
            equal((await link.heads([channel]))[channel].epoch, head.epoch)
            equal(list((await link.read(channel, head, 10)).entries), [])
            equal((await link.read(channel, head, 10)).gap, "")
            stored = await self.fill(link, channel, 2)
            page = await link.read(channel, head, 10)
            equal((page.gap, [entry.offset for entry in page.entries]), ("", [one.position.offset for one in stored]))

    @case
    async def test_names_do_not_meet(self) -> None:
        end = token_hex(4)
        names = [name if len(name.encode()) > 200 else name + end for name in NAMES]
        ears = Recorder()
        async with self.link(ears) as link:
            before = await link.attach(names)
            for number, name in enumerate(names):
                await link.publish(name, str(number).encode(), f"{end}{number}", KEPT)
            for number, name in enumerate(names):
                page = await link.read(name, before[name], 10)
                equal((page.gap, [entry.data for entry in page.entries]), ("", [str(number).encode()]), f"channel {name!r}")
            await until(lambda: all(map(ears.told, names)), "every channel was told of")
            wrong = [(name, entry.data) for name, _, entry in ears.messages if entry.data != str(names.index(name)).encode()]
            equal(wrong, [], "told under another name")

    @case
    async def test_payloads(self) -> None:
        channel, ears = self.name(), Recorder()
        payloads = [b'""', b"null", b'"' + b"x" * 7_990 + b'"', b'"' + b"y" * (1_048_576 - 2) + b'"', '"🧅\\u0000\\n"'.encode()]
        async with self.link(ears) as link:
            head = (await link.attach([channel]))[channel]
            for number, payload in enumerate(payloads):
                await link.publish(channel, payload, f"id{number}", KEPT)
            page = await link.read(channel, head, 10)
            equal([entry.data for entry in page.entries] == payloads, True, "every byte comes back")
            await until(lambda: ears.told(channel), "the channel was told of")
            equal([entry.data in payloads for _, _, entry in ears.messages], [True] * len(ears.messages))

    @case
    async def test_ids_of_any_text(self) -> None:
        channel, ids = self.name(), ["a", "A", "é", "🧅", "a b", "0-1", "%", "'", '"', "x" * 128, "漢" * 42]
        async with self.link() as link:
            for identity in ids:
                equal((await link.publish(channel, b"1", identity, KEPT)).duplicate, False, identity)
            page = await link.read(channel, None, 100)
            equal([entry.id for entry in page.entries], ids)

    @case
    async def test_pages(self) -> None:
        channel = self.name()
        async with self.link() as link:
            await link.attach([channel])
            stored = await self.fill(link, channel, 10)
            after, seen = stored[1].position, list[str]()
            while True:
                page = await link.read(channel, after, 3)
                equal((page.gap, len(page.entries) <= 3), ("", True), "a page of at most 3")
                seen += [entry.id for entry in page.entries]
                if len(page.entries) < 3:
                    break
                after = Position(page.head.epoch, page.entries[-1].offset, page.entries[-1].id)
            equal(seen, [f"id{number}" for number in range(3, 11)])

    @case
    async def test_recent(self) -> None:
        channel = self.name()
        async with self.link() as link:
            stored = await self.fill(link, channel, 10)

            async def recent(before: int | None, limit: int) -> list[str]:
                page = await link.recent(channel, before, limit)
                equal((page.gap, page.head.epoch), ("", stored[0].position.epoch))
                return [entry.id for entry in page.entries]

            equal(await recent(None, 3), ["id8", "id9", "id10"])
            equal(await recent(stored[7].position.offset, 3), ["id5", "id6", "id7"])
            equal(await recent(stored[1].position.offset, 3), ["id1"])
            equal(await recent(stored[0].position.offset, 3), [])
            equal(list((await link.recent(self.name("empty"), None, 3)).entries), [])

    # ---- cursors

    @case
    async def test_positions_that_hold(self) -> None:
        channel = self.name()
        async with self.link() as link:
            stored = await self.fill(link, channel, 5)
            for number, one in enumerate(stored, 1):
                page = await link.read(channel, one.position, 10)
                equal((page.gap, [entry.id for entry in page.entries]), ("", [f"id{later}" for later in range(number + 1, 6)]))

    @case
    async def test_positions_that_do_not_hold(self) -> None:
        channel = self.name()
        async with self.link() as link:
            stored = await self.fill(link, channel, 5)
            (epoch, third, _), (_, last, _) = stored[2].position, stored[4].position
            for position, gap in [
                (Position("another", third, "id3"), "epoch"),
                (Position(epoch, third, "other"), "rollback"),
                (Position(epoch, last, "other"), "rollback"),
                (Position(epoch, last + 1, "id6"), "rollback"),
                (Position(epoch, last + 1_000_000, "id6"), "rollback"),
                (Position(epoch, 2**63 - 1, "id6"), "rollback"),
            ]:
                page = await link.read(channel, position, 10)
                equal((page.gap, [entry.id for entry in page.entries]), (gap, ["id1", "id2", "id3", "id4", "id5"]), str(position))

    @case
    async def test_trimmed_by_count(self) -> None:
        channel = self.name()
        async with self.link() as link:
            stored = await self.fill(link, channel, 10, SMALL)
            equal([entry.id for entry in (await link.read(channel, None, 100)).entries], ["id7", "id8", "id9", "id10"], "keep + 1 messages")
            for number, gap in [(4, "trimmed"), (7, ""), (9, ""), (10, "")]:
                page = await link.read(channel, stored[number - 1].position, 100)
                first = 7 if gap else number + 1
                equal((page.gap, [entry.id for entry in page.entries]), (gap, [f"id{n}" for n in range(first, 11)]), f"after message {number}")

    @case
    async def test_nothing_is_missing_after_the_last_that_was_trimmed(self) -> None:
        channel = self.name()
        async with self.link() as link:
            stored = await self.fill(link, channel, 10, SMALL)
            equal((await link.read(channel, stored[5].position, 100)).gap, "", "a reader at the newest trimmed message")

    @case
    async def test_keeping_none_still_verifies_the_newest(self) -> None:
        channel, none = self.name(), Kept(0, 300.0, 60.0)
        async with self.link() as link:
            stored = await self.fill(link, channel, 3, none)
            equal((await link.read(channel, stored[2].position, 10)).gap, "")
            equal((await link.read(channel, stored[0].position, 10)).gap, "trimmed")

    @case
    async def test_trimmed_by_age(self) -> None:
        channel = self.name()
        async with self.link() as link:
            stored = await self.fill(link, channel, 3, SHORT)
            async with asyncio.timeout(10):
                while (page := await link.read(channel, None, 100)).entries:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            equal(page.head, stored[2].position, "the head outlives the messages")
            equal((await link.read(channel, stored[2].position, 10)).gap, "", "at the head nothing is missing")
            equal((await link.read(channel, stored[0].position, 10)).gap, "trimmed")
            again = await self.fill(link, channel, 1, KEPT, start=4)
            equal(again[0].position.epoch, stored[0].position.epoch, "the numbering goes on")
            equal(again[0].position.offset > stored[2].position.offset, True, "the numbering goes on")
            page = await link.read(channel, stored[2].position, 10)
            equal((page.gap, [entry.id for entry in page.entries]), ("", ["id4"]))

    # ---- each id once

    @case
    async def test_a_repeated_id_is_stored_once(self) -> None:
        channel, ears = self.name(), Recorder()
        async with self.link(ears) as link:
            await link.attach([channel])
            first = await link.publish(channel, b"1", "same", KEPT)
            await self.fill(link, channel, 2)
            again = await link.publish(channel, b"2", "same", KEPT)
            equal(again, Stored(first.position, duplicate=True))
            equal([entry.data for entry in (await link.read(channel, None, 10)).entries], [b"1", b"1", b"2"])
            equal((await link.publish(self.name(), b"1", "same", KEPT)).duplicate, False, "the same id in another channel")
            await self.fill(link, channel, 1, start=9)
            await until(lambda: any(entry.id == "id9" for _, _, entry in ears.messages) or ears.hints, "the channel was told of")
            equal([entry.data for _, _, entry in ears.messages if entry.id == "same"] in ([b"1"], []), True, "announced once")

    @case
    async def test_a_repeated_id_is_stored_once_at_the_same_time(self) -> None:
        channel = self.name()
        async with self.link() as one, self.link() as other:
            stored = await asyncio.gather(*(link.publish(channel, b"1", "same", KEPT) for link in [one, other] * 8))
            equal(sum(not each.duplicate for each in stored), 1, "stored")
            equal({each.position for each in stored}, {stored[0].position})
            equal(len((await one.read(channel, None, 100)).entries), 1)

    @case
    async def test_numbers_are_given_once(self) -> None:
        channel = self.name()
        async with self.link() as one, self.link() as other:
            await asyncio.gather(*(self.fill(link, channel, 25, start=100 * number) for number, link in enumerate([one, other] * 4, 1)))
            entries = (await one.read(channel, None, 500)).entries[-101:]
            offsets = [entry.offset for entry in entries]
            equal(offsets, sorted(set(offsets)), "offsets")
            for number in range(1, 9):
                of_one = [int(entry.data) for entry in entries if int(entry.data) // 100 == number]
                equal(of_one, sorted(of_one), "a publisher's own order")
