"""The fault table: what each backend loses, repeats and tells of when its links are cut and frozen, and its broker killed, stopped and taken back in time.

``make faults`` runs the full loads and prints the table. The control, plain publish and subscribe in the same harness, must lose something: else
the faults are none, and the table proves nothing.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shallot.channels import presence
from shallot.channels.channel import PAGE
from shallot.channels.contract import Position
from shallot.channels.cursor import parse_cursor
from shallot.errors import CloseWith

from .channel_harness import CHANNEL, FULL, SHORT, TOPICS, Ears, Fault, Figures, Scene, heard, measure, measure_plain, staged
from .channel_kinds import KINDS, Kind
from .faults import Proxy

IS_FULL = os.environ.get("LIVE_FAULTS") == "full"
LOAD = FULL if IS_FULL else SHORT
PUBLISH_S = 4.0
"""The deadline of a publish,"""
TOLERANCE_S = 0.5
"""and by how much a busy machine may miss it."""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(params=[pytest.param(kind, id=name, marks=pytest.mark.needs(kind.broker.needs)) for name, kind in KINDS.items()])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture(scope="module")
def table() -> Iterator[list[list[str]]]:
    """Rows of text, printed at the end under ``make faults``."""
    rows = [["backend", "fault", "acknowledged", "lost", "twice", "gaps", "catch-up s", "slowest publish s", "told stale s", "repeats dropped"]]
    yield rows
    if IS_FULL:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        print("\n\n" + "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows) + "\n")


def row(kind: str, fault: str, figures: Figures) -> list[str]:
    gaps = ", ".join(f"{count} {reason}" for reason, count in Counter(figures.gaps).items()) or "0"
    stale = "" if figures.stale_s is None else f"{figures.stale_s:.2f}"
    seconds = [f"{figures.catch_up_s:.2f}", f"{figures.slowest_s:.2f}", stale]
    return [kind, fault, str(figures.acknowledged), str(figures.lost), str(figures.duplicates), gaps, *seconds, str(figures.repeats)]


# ---- faults


async def none(scene: Scene) -> None:
    """The harness alone loses nothing."""


async def _cut(*proxies: Proxy) -> None:
    """And wait until somebody is connected again."""
    await asyncio.sleep(0.1)
    before = [proxy.connections for proxy in proxies]
    for proxy in proxies:
        proxy.cut()
    async with asyncio.timeout(10):
        while not all(proxy.connections > count for proxy, count in zip(proxies, before, strict=True)):  # noqa: ASYNC110  # a network tells nobody
            await asyncio.sleep(0.01)


async def cut_the_reader(scene: Scene) -> None:
    for _ in range(scene.load.faults):
        await _cut(scene.reading)


async def cut_all(scene: Scene) -> None:
    for _ in range(scene.load.faults):
        await _cut(scene.reading, scene.writing)


async def lose_answers(scene: Scene) -> None:
    """What is published is stored, but not acknowledged: it must not be stored twice."""
    for _ in range(scene.load.faults):
        await asyncio.sleep(0.1)
        scene.writing.freeze("answers")
        await asyncio.sleep(0.1)
        scene.writing.cut()
        scene.writing.thaw()


async def freeze_the_reader(scene: Scene) -> None:
    scene.reading.freeze()
    await asyncio.sleep(3)
    scene.reading.thaw()


async def freeze_all_for_long(scene: Scene) -> None:
    scene.reading.freeze()
    scene.writing.freeze()
    await asyncio.sleep(5)
    scene.reading.thaw()
    scene.writing.thaw()


async def drip(scene: Scene) -> None:
    """Answers in pieces of a few bytes, and late."""
    scene.reading.drip, scene.reading.delay_s = 700, 0.002
    await asyncio.sleep(1)
    scene.reading.drip, scene.reading.delay_s = 0, 0.0


async def kill(scene: Scene) -> None:
    await asyncio.sleep(0.2)
    await asyncio.to_thread(scene.broker.kill)
    await asyncio.sleep(0.2)
    await asyncio.to_thread(scene.broker.start)


async def stop(scene: Scene) -> None:
    await asyncio.sleep(0.2)
    scene.broker.freeze()
    await asyncio.sleep(1.5)
    scene.broker.thaw()


class Row(NamedTuple):
    name: str
    fault: Fault
    catch_up_s: float
    durable: bool = True
    gaps: tuple[str, ...] = ()
    stale_s: float | None = None
    """Within which readers must be told that something is wrong; ``None``: they need not."""


ROWS = [
    Row("nothing happens", none, 1),
    Row("reader's link cut", cut_the_reader, 1),
    Row("all links cut", cut_all, 1),
    Row("acknowledgements lost", lose_answers, 1),
    Row("reader's link frozen 3 s", freeze_the_reader, 2, stale_s=3),
    Row("all links frozen 5 s", freeze_all_for_long, 3, stale_s=3),
    Row("reader's link drips", drip, 2),
    Row("broker stopped 1.5 s", stop, 1),
    Row("broker killed, durable", kill, 2),
    Row("broker killed, not durable", kill, 2, durable=False, gaps=("epoch",)),
]


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.name.replace(" ", "_"))
async def test_fault(kind: Kind, case: Row, table: list[list[str]]) -> None:
    figures = await measure(kind, case.fault, LOAD, durable=case.durable, publish_s=PUBLISH_S)
    table.append(row(kind.name, case.name, figures))
    assert (figures.lost, figures.duplicates, figures.disorder) == (0, 0, 0), figures
    assert figures.gaps == list(case.gaps), figures
    assert figures.catch_up_s < case.catch_up_s, figures
    assert figures.slowest_s < PUBLISH_S + TOLERANCE_S, figures
    assert (figures.stale_s is None) == (figures.fresh_s is None), figures
    assert case.stale_s is None or (figures.stale_s is not None and figures.stale_s < case.stale_s), figures


async def test_the_control_loses(kind: Kind, table: list[list[str]]) -> None:
    figures = await measure_plain(kind, cut_the_reader, LOAD)
    table.append(row(f"{kind.name}, plain", "reader's link cut", figures))
    assert figures.lost > 0, figures


# ---- back in time


@pytest.mark.parametrize("is_hidden", [False, True], ids=["seen_at_once", "overtaken_unseen"])
async def test_an_older_snapshot_is_noticed(kind: Kind, is_hidden: bool, table: list[list[str]]) -> None:
    """100 messages, a snapshot, 10 more, the snapshot again, 10 others. Unseen: the others have the offsets of those that are lost, before anybody looks."""
    async with staged(kind, LOAD, durable=False) as scene, AsyncExitStack() as stack:
        urls = [kind.url(scene.broker, proxy.port) for proxy in (scene.reading, scene.writing)]
        reader, writer = [await stack.enter_async_context(kind.channels(url, TOPICS)) for url in urls]
        positions: dict[str, Position | None] = {}
        async with heard(reader) as ears:

            async def publish(name: str, count: int) -> list[str]:
                names = [f"{name}{number}" for number in range(count)]
                for one in names:
                    positions[one] = parse_cursor((await writer.publish(CHANNEL, one, id=one))["cursor"])
                return names

            first = await publish("first", 100)
            await asyncio.to_thread(scene.broker.save)
            lost = await publish("lost", 10)
            await ears.until(lambda: lost[-1] in ears.ids, "all before the snapshot")
            cursor = ears.messages[-1]["cursor"]
            if is_hidden:
                await scene.reading.refuse()
                scene.reading.cut()
            await asyncio.to_thread(scene.broker.restore)
            others = await publish("other", 10)
            await scene.reading.accept()
            await ears.until(lambda: others[-1] in ears.ids, "what came after")
            async with heard(reader, cursor=cursor) as back:
                await back.until(lambda: others[-1] in back.ids, "what came after, for one who came back")
    was, now = positions[lost[-1]], positions[others[-1]]
    assert was is not None and now is not None and was[:2] == now[:2], "epoch and offset alone would notice nothing"
    gaps = [word["reason"] for _, word in ears.told("gap")]
    duplicates = sum(count - 1 for count in ears.ids.values())
    figures = Figures(acknowledged=120, lost=len({*first, *lost, *others} - set(ears.ids)), duplicates=duplicates, gaps=gaps)
    table.append(row(kind.name, "older snapshot" + (", overtaken unseen" if is_hidden else ""), figures))
    assert (figures.lost, figures.duplicates, figures.gaps) == (0, 0, ["rollback"])
    assert [word["reason"] for _, word in back.told("gap")] == ["rollback"]
    assert [message["id"] for message in back.messages][-10:] == others


# ---- nodes and readers


async def test_a_killed_node_leaves_no_ghosts(kind: Kind, table: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    lease_s, renew_s, grace_s, members = (15.0, 5.0, 10.0, 1000) if IS_FULL else (2.0, 0.5, 1.0, 100)
    monkeypatch.setattr(presence, "LEASE_S", lease_s)
    monkeypatch.setattr(presence, "RENEW_S", renew_s)
    topics = {"*": {"presence": True}}
    async with staged(kind, LOAD, durable=False) as scene, AsyncExitStack() as stack:
        url, time = scene.broker.url, asyncio.get_running_loop().time
        one, other = [await stack.enter_async_context(kind.channels(url, topics, grace_s=grace_s)) for _ in range(2)]
        ears = await stack.enter_async_context(heard(one, "room", member={"id": "one"}))
        await stack.enter_async_context(heard(other, "room", member={"id": "other"}))
        command = [sys.executable, "-m", "tests.live.channel_node", kind.name, url, "room", str(members)]
        environment = {**os.environ, "LEASE_S": str(lease_s), "RENEW_S": str(renew_s)}
        node = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)  # noqa: ASYNC220  # killed by its id
        try:
            assert node.stdout is not None
            assert await asyncio.to_thread(node.stdout.readline) == b"ready\n"
            expected = {"other", *(f"m{number}" for number in range(members))}
            await ears.until(lambda: expected <= {word["member"]["id"] for _, word in ears.told("joined")}, "all have joined")
            assert len(await one.members("room")) == members + 2
        finally:
            node.kill()
            node.communicate()
        killed = time()
        await ears.until(lambda: len(ears.told("left")) >= members, "all have left", lease_s + grace_s + 3)
        left = [word["member"]["id"] for _, word in ears.told("left")]
        assert sorted(await one.members("room")) == ["one", "other"]
    took = max(when for when, _ in ears.told("left")) - killed
    ghosts, false_leaves = members - len(set(left)), len(set(left) & {"one", "other"}) + len(left) - len(set(left))
    table.append([kind.name, f"node of {members} members killed", "", str(ghosts), str(false_leaves), "", f"{took:.2f}", "", "", ""])
    assert (ghosts, false_leaves) == (0, 0)
    assert took < lease_s + grace_s + 1


async def test_a_reader_that_stops_reading_stops_nobody_else(kind: Kind, table: list[list[str]]) -> None:
    """Rounds with it and without take turns, and are equally long: the collector of garbage comes by every few hundred messages, and makes one late."""
    readers, rounds, lag, after = (999, 5, 150, 60) if IS_FULL else (199, 2, 50, 40)
    topics = {"*": {"keep": 10_000, "lag": lag}}
    times: dict[bool, list[float]] = {False: [], True: []}
    async with staged(kind, LOAD, durable=False) as scene, AsyncExitStack() as stack:
        channels = await stack.enter_async_context(kind.channels(scene.broker.url, topics))
        time = asyncio.get_running_loop().time
        late: list[float] = []
        reading = asyncio.Semaphore(0)

        async def read(messages: Any) -> None:
            async for message in messages:
                if message["type"] == "channel.message":
                    late.append(time() - message["data"])
                    reading.release()

        tasks = [asyncio.create_task(read(await stack.enter_async_context(channels.subscription("busy")))) for _ in range(readers)]
        stuck: Any = None
        published: list[str] = []
        try:
            for number in range(2 * rounds):
                is_stuck = number % 2 == 1
                if is_stuck:
                    stuck = await stack.enter_async_context(channels.subscription("busy"))
                    published.clear()
                late.clear()
                for _ in range(lag + after):
                    published.append((await channels.publish("busy", time()))["cursor"])
                    for _ in range(readers):
                        await reading.acquire()
                late.sort()
                times[is_stuck].append(late[int(len(late) * 0.99)])
                if is_stuck:
                    with pytest.raises(CloseWith) as end:
                        await anext(stuck)
                    assert end.value.code == 1013
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        async with heard(channels, "busy", cursor=stuck.cursor) as back:
            await back.until(lambda: len(back.messages) >= len(published), "all that the stuck reader missed")
    assert [message["cursor"] for message in back.messages] == published
    assert back.words == []
    ratio = min(times[True]) / min(times[False])
    table.append([kind.name, f"1 of {readers + 1} stops reading", str(len(published)), "0", "0", "0", f"p99 x{ratio:.2f}", "", "", ""])
    assert not IS_FULL or ratio < 1.2  # a short run on a busy machine measures the machine


async def test_all_readers_come_back_at_once(kind: Kind, table: list[list[str]]) -> None:
    """On another node, each with a cursor of its own: what they missed is read once for all."""
    readers, missed = (1000, 200) if IS_FULL else (300, 100)
    async with staged(kind, LOAD, durable=False) as scene, AsyncExitStack() as stack:
        writer, node = [await stack.enter_async_context(kind.channels(scene.broker.url, TOPICS)) for _ in range(2)]
        cursors = [(await writer.publish("room", number, id=f"id{number}"))["cursor"] for number in range(missed + 1)]
        time = asyncio.get_running_loop().time
        begun = time()

        async def come_back(number: int) -> bool:
            cursor, ears = cursors[number % missed], Ears()
            async with node.subscription("room", cursor=cursor) as messages, asyncio.timeout(20):
                assert messages.result["recovered"], messages.result
                while not ears.messages or ears.messages[-1]["cursor"] != cursors[-1]:
                    ears.hear(await anext(messages))
            return [message["cursor"] for message in ears.messages] == cursors[number % missed + 1 :] and not ears.words

        whole = await asyncio.gather(*(come_back(number) for number in range(readers)))
        took, reads = time() - begun, node.stats()["reads"]
    table.append([kind.name, f"{readers} come back at once", str(missed), str(whole.count(False)), "0", "0", f"{took:.2f}", "", "", f"{reads} reads"])
    assert all(whole)
    assert reads <= 1 + missed // PAGE + 1
    assert all(parse_cursor(cursor) for cursor in cursors)
