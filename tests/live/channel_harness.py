"""The harness of the fault table: a broker, one node that reads and one that publishes, each behind a proxy of its own; what is acknowledged, what
arrives, and the difference. The control stands in the same harness, with nothing of ours between it and the broker."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from shallot.channels.cursor import parse_cursor
from shallot.channels.resource import Channels
from shallot.errors import Unavailable

from .brokers import Broker
from .channel_kinds import Kind
from .faults import Proxy

CHANNEL = "faults"
TOPICS: Mapping[str, Any] = {"*": {"keep": 20_000, "lag": 20_000, "lag_bytes": 50_000_000, "presence": False}}
PATIENCE_S = 15.0
"""How long the reader may take to catch up before the test gives up."""


class Load(NamedTuple):
    messages: int
    publishers: int
    faults: int
    """How often, where a fault is repeated."""
    pace_s: float = 0.004
    """Between the acknowledgement of a message and the same publisher's next one."""


SHORT = Load(400, 8, 4)
FULL = Load(6000, 8, 10)


@dataclass
class Figures:
    """One row of the table."""

    acknowledged: int = 0
    lost: int = 0
    """Acknowledged, not delivered, and no gap stands where they are missing,"""
    missing: int = 0
    """and those that are missing with or without one."""
    duplicates: int = 0
    disorder: int = 0
    gaps: list[str] = field(default_factory=list)
    """The reason of each."""
    catch_up_s: float = 0.0
    """From the end of the fault until a message published after it is delivered."""
    stale_s: float | None = None
    """From the beginning of the fault until the reader was told,"""
    fresh_s: float | None = None
    """and from its end until the all-clear."""
    slowest_s: float = 0.0
    """The longest call of ``publish``, answered or not."""
    unanswered: int = 0
    """Calls that ended with ``Unavailable``, and were repeated with the same id."""
    repeats: int = 0
    """Told twice by the backend, and dropped."""
    links: int = 0


class Scene(NamedTuple):
    broker: Broker
    reading: Proxy
    writing: Proxy
    load: Load


Fault = Callable[[Scene], Awaitable[None]]


class Ears:
    """What a subscription hears, and when."""

    def __init__(self) -> None:
        self.time = asyncio.get_running_loop().time
        self.messages: list[Mapping[str, Any]] = []
        self.ids: Counter[str] = Counter()
        self.words: list[tuple[float, Mapping[str, Any]]] = []
        self.at: dict[str, float] = {}
        self._news = asyncio.Event()

    def hear(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "channel.message":
            self.messages.append(message)
            self.ids[message["id"]] += 1
            self.at[message["id"]] = self.time()
        else:
            self.words.append((self.time(), message))
        self._news.set()

    async def listen(self, source: Any) -> None:
        async for message in source:
            self.hear(message)

    async def until(self, is_so: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not is_so():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s: {what}; heard {len(self.messages)} messages and {self.words}") from None

    def told(self, kind: str) -> list[tuple[float, Mapping[str, Any]]]:
        return [(when, word) for when, word in self.words if word["type"] == f"channel.{kind}"]


@asynccontextmanager
async def staged(kind: Kind, load: Load, *, durable: bool) -> AsyncGenerator[Scene, None]:
    broker = kind.broker(durable=durable)
    await asyncio.to_thread(broker.__enter__)
    try:
        async with Proxy(broker.port) as reading, Proxy(broker.port) as writing:
            yield Scene(broker, reading, writing, load)
    finally:
        await asyncio.to_thread(broker.__exit__)


@asynccontextmanager
async def heard(channels: Channels, channel: str = CHANNEL, **options: Any) -> AsyncGenerator[Ears, None]:
    ears = Ears()
    async with channels.subscription(channel, **options) as messages:
        listening = asyncio.create_task(ears.listen(messages))
        try:
            yield ears
        finally:
            listening.cancel()
            await asyncio.wait([listening])
    if not listening.cancelled():
        listening.result()


async def measure(kind: Kind, fault: Fault, load: Load, *, durable: bool = True, **options: Any) -> Figures:
    """Publish from ``load.publishers`` at the same time while ``fault`` happens, until it is over and all is published; then compare."""
    figures, acknowledged = Figures(), dict[str, str]()
    async with staged(kind, load, durable=durable) as scene:
        urls = [kind.url(scene.broker, proxy.port) for proxy in (scene.reading, scene.writing)]
        async with kind.channels(urls[0], TOPICS, **options) as reader, kind.channels(urls[1], TOPICS, **options) as writer:
            time, is_over = asyncio.get_running_loop().time, asyncio.Event()

            async def publish(identity: str) -> None:
                while identity not in acknowledged:
                    begun = time()
                    try:
                        acknowledged[identity] = (await writer.publish(CHANNEL, identity, id=identity))["cursor"]
                    except Unavailable:
                        figures.unanswered += 1
                    figures.slowest_s = max(figures.slowest_s, time() - begun)

            async def publisher(name: int) -> None:
                count = 0
                while count < load.messages // load.publishers or not is_over.is_set():
                    await publish(f"{name}-{count}")
                    count += 1
                    await asyncio.sleep(load.pace_s)

            async def break_and_mend() -> tuple[float, float]:
                begun = time()
                await fault(scene)
                ended = time()
                await publish("after")
                is_over.set()
                return begun, ended

            async with heard(reader) as ears:
                async with asyncio.TaskGroup() as tasks:
                    for name in range(load.publishers):
                        tasks.create_task(publisher(name))
                    breaking = tasks.create_task(break_and_mend())
                begun, ended = breaking.result()
                await publish("last")
                await ears.until(lambda: "last" in ears.ids, "the last message")
                if ears.told("stale"):
                    await ears.until(lambda: ears.told("fresh"), "the all-clear")
                figures.repeats, figures.links = reader.stats().get("repeats", 0), reader.stats()["links"]
    compare(figures, acknowledged, ears)
    figures.catch_up_s = max(0.0, ears.at["after"] - ended)
    figures.stale_s = next((when - begun for when, _ in ears.told("stale")), None)
    figures.fresh_s = next((when - ended for when, _ in ears.told("fresh")), None)
    return figures


def compare(figures: Figures, acknowledged: Mapping[str, str], ears: Ears) -> None:
    missing = [cursor for identity, cursor in acknowledged.items() if identity not in ears.ids]
    gaps = [word["cursor"] for _, word in ears.told("gap")]
    figures.acknowledged = len(acknowledged)
    figures.missing = len(missing)
    figures.lost = sum(not any(_stands_for(gap, cursor) for gap in gaps) for cursor in missing)
    figures.duplicates = sum(count - 1 for count in ears.ids.values()) + len(acknowledged) - len(set(acknowledged.values()))
    figures.gaps = [word["reason"] for _, word in ears.told("gap")]
    positions = [position for message in ears.messages if (position := parse_cursor(message["cursor"])) is not None]
    figures.disorder = sum(after.epoch == before.epoch and after.offset <= before.offset for before, after in pairwise(positions))


def _stands_for(gap: str, cursor: str) -> bool:
    """Does a gap that ends at ``gap`` stand where the message with ``cursor`` is missing?"""
    end, position = parse_cursor(gap), parse_cursor(cursor)
    return end is not None and position is not None and (position.epoch != end.epoch or position.offset <= end.offset)


async def measure_plain(kind: Kind, fault: Fault, load: Load, *, durable: bool = True) -> Figures:
    """The control."""
    figures, acknowledged, ids = Figures(), set[str](), Counter[str]()
    async with staged(kind, load, durable=durable) as scene:
        urls = [kind.url(scene.broker, proxy.port) for proxy in (scene.reading, scene.writing)]

        def hear(text: str) -> None:
            ids[text] += 1

        async with kind.plain(urls[0], urls[1], hear) as send:
            is_over = asyncio.Event()

            async def publisher(name: int) -> None:
                count = 0
                while count < load.messages // load.publishers or not is_over.is_set():
                    identity = f"{name}-{count}"
                    while identity not in acknowledged:
                        try:
                            await send(identity)
                            acknowledged.add(identity)
                        except kind.errors:
                            await asyncio.sleep(0.02)
                    count += 1
                    await asyncio.sleep(load.pace_s)

            async def break_and_mend() -> None:
                await fault(scene)
                is_over.set()

            async with asyncio.TaskGroup() as tasks:
                for name in range(load.publishers):
                    tasks.create_task(publisher(name))
                tasks.create_task(break_and_mend())
            async with asyncio.timeout(PATIENCE_S):
                while "last" not in ids:
                    await send("last")
                    await asyncio.sleep(0.05)
    figures.acknowledged = len(acknowledged)
    figures.lost = figures.missing = len(acknowledged - set(ids))
    figures.duplicates = sum(count - 1 for identity, count in ids.items() if identity != "last")
    return figures
