"""A soak: many sockets and requests through a proxy that does harm, for minutes. ``make soak MINUTES=15``, or

    python -m tests.live.soak --minutes 1 --sockets 2000 --rate 200 --faults 5 --server uvicorn

Sockets of ``soak_app.talk`` say numbered messages, hear them again, and hear the numbered messages of their room; requests of seven kinds have one right
answer each. Of both, some go by ways that are slow, or that end early. Who goes by a slow way loses nothing either.

It fails where a client that was not cut off lost something, heard it twice or out of order, where memory grows once it is warm, where tasks,
generators, descriptors, threads, conversations or subscriptions are not back at the start when all have left, or where a line of the log is a warning.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .faults import Ending, Proxy
from .gauges import BACK, ask, begin_gauges, raise_descriptors, settled_gauges
from .servers import KINDS, Server, serve
from .talker import BREAKS_OFF, GONE, Talker
from .wire import Wire
from .works import WORKS, Work

MIB = 1024 * 1024
ROOMS = 20
TELLS_PER_S = 2
SAYS_PER_S = 200
AT_ONCE = 40
SETTLE_S = 20.0
KEEP_S = 3.0
"""For how long a connection is used again: servers give one up after five seconds of silence, which may be while the next request is under way."""
MOST_AGAIN = 1 / 1000
"""Of the requests that may have to be asked again, on another connection, because of that."""
PATIENCE_S = {"clean": 10.0, "delay": 30.0, "drip": 30.0, "cut": 10.0, "reset": 10.0, "stall": 2.0}
WARM = 1 / 2
"""Of the time, before memory is looked at."""
MOST_GROWTH = 1 * MIB
"""Of resident memory in ten minutes."""
LONG_S = 900
"""What a run must last for that to be asked: in the first minutes the allocator still finds its size, and the channels' logs fill."""
NOISE = 4 * MIB
"""Of resident memory in a run that is shorter."""
COMPLAINT = re.compile(r"^.{0,40}\b(WARNING|ERROR|CRITICAL)\b|^Traceback|(Resource|Runtime)Warning|never awaited|never retrieved|was destroyed")
WAYS = ("clean", "delay", "drip", "cut", "reset", "stall")


class Plan(NamedTuple):
    seconds: float = 60.0
    sockets: int = 2000
    rate: int = 200
    faults: float = 0.05
    server: str = "uvicorn"
    app: str = "tests.live.soak_app:app"


@dataclass
class Tally:
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    standstill_s: float = 0.0
    """The longest for which this process got no turn, or was busy: what it measures is no better."""

    def fault(self, what: str) -> None:
        self.counts["violations"] += 1
        if len(self.wrong) < 20:
            self.wrong.append(what)


class Soak:
    """One run against one server. ``ports``: where each way goes in."""

    def __init__(self, plan: Plan, server: Server, ports: Mapping[str, int]) -> None:
        self.plan, self.server, self.ports = plan, server, ports
        self.tally = Tally()
        self.chance = random.Random(plan.sockets)
        self.over = asyncio.Event()
        self.published: Counter[str] = Counter()
        self.talkers = [Talker(number % ROOMS, self._way(), self.ports, self.tally) for number in range(plan.sockets)]
        self.due: asyncio.Queue[tuple[Work, str]] = asyncio.Queue(4 * AT_ONCE)

    def _way(self) -> str:
        return self.chance.choice(WAYS[1:]) if self.chance.random() < self.plan.faults else "clean"

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            await self._open(group)
            hands = [group.create_task(self._answer()) for _ in range(AT_ONCE)]
            begun, ticks = _now(), 0
            said = asked = told = 0
            while (passed := _now() - begun) < self.plan.seconds:
                ticks += 1
                while said < passed * min(SAYS_PER_S, self.plan.sockets):
                    self.talkers[said % len(self.talkers)].say()
                    said += 1
                while asked < passed * self.plan.rate:
                    await self.due.put((self.chance.choice(WORKS), self._way()))
                    asked += 1
                while told < passed * TELLS_PER_S:
                    await self._tell(told % ROOMS)
                    told += 1
                if ticks % 20 == 1:
                    self.tally.memory.append((passed, int((await ask(self.server, "GET", "/resident")).body)))
                slept = _now()
                await asyncio.sleep(0.05)
                self.tally.standstill_s = max(self.tally.standstill_s, _now() - slept - 0.05)
            await self._end(hands)

    async def _open(self, group: asyncio.TaskGroup) -> None:
        """A hundred at a time: what is asked of the server here is to last, not to be quick."""
        for start in range(0, len(self.talkers), 100):
            for talker in self.talkers[start : start + 100]:
                group.create_task(talker.run())
            async with asyncio.timeout(60):
                for talker in self.talkers[start : start + 100]:
                    await talker.opened.wait()

    async def _tell(self, room: int) -> None:
        answer = await ask(self.server, "POST", f"/tells/{room}")
        self.published[str(room)] += 1
        if answer.body != b'{"number":%d}' % self.published[str(room)]:
            self.tally.fault(f"publishing was answered {answer}")

    async def _end(self, hands: list[asyncio.Task[None]]) -> None:
        """What was asked for may still arrive; then all leave."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await self.due.join()
                while not all(talker.has_all(self.published[str(talker.room)]) for talker in self.talkers):  # noqa: ASYNC110  # two thousand events
                    await asyncio.sleep(0.05)
        for hand in hands:
            hand.cancel()
        for talker in self.talkers:
            if not talker.has_all(self.published[str(talker.room)]):
                self.tally.fault(f"{talker} has not heard all: {talker.echoed} of {talker.said} said, {talker.heard} of room {talker.room}")
            talker.leave()

    async def _answer(self) -> None:
        """Take what is due, one after the other, on one connection while the server keeps it; what goes by another way has its own."""
        kept: Wire | None = None
        used = _now()
        try:
            while True:
                work, way = await self.due.get()
                idle_s = _now() - used
                if kept is not None and idle_s > KEEP_S:
                    kept.drop()
                    kept = None
                wire = kept if way == "clean" and kept is not None else await Wire.connect(self.ports[way])
                keeps = False
                try:
                    try:
                        keeps = await self._ask(wire, work, PATIENCE_S[way])
                    except EOFError:  # RFC 9112 9.3.1: a connection that was kept may have been given up meanwhile
                        if wire is not kept or wire.data:
                            raise
                        wire.drop()
                        wire, kept = await Wire.connect(self.ports[way]), None
                        self.tally.counts["requests asked again"] += 1
                        keeps = await self._ask(wire, work, PATIENCE_S[way])
                    self.tally.counts[f"requests answered, {way}"] += 1
                except GONE as error:
                    self.tally.counts[f"requests broken off, {way}"] += 1
                    if way not in BREAKS_OFF:
                        self.tally.fault(f"{work.method} {work.path} by the way {way}, after {idle_s:.1f} s of silence: {error!r}")
                finally:
                    self.due.task_done()
                used = _now() if way == "clean" else used
                if way == "clean":
                    kept = wire if keeps else None
                if wire is not kept:
                    wire.drop()
        finally:
            if kept is not None:
                kept.drop()

    async def _ask(self, wire: Wire, work: Work, patience_s: float) -> bool:
        """Whether another one may follow on the same connection."""
        async with asyncio.timeout(patience_s):
            answer = await wire.request(work.method, work.path, work.headers, work.body)
        if not answer.complete:
            raise EOFError(f"an answer ended early: {answer.status}, {len(answer.body)} bytes")
        if not work.is_right(answer):
            self.tally.fault(f"{work.method} {work.path} was answered {answer.status} {answer.body[:200]!r}")
        return answer.headers.get("connection") != "close"


# ---- a run, its table and what is wrong with it


async def soak(plan: Plan, log: Path) -> tuple[list[str], list[str]]:
    """The rows of a table, and what was found to be wrong."""
    with serve(plan.server, plan.app, log) as server:
        async with AsyncExitStack() as stack:
            ports = {way: (await stack.enter_async_context(_proxy(way, server.port))).port for way in WAYS}
            before = await begin_gauges(server)
            run = Soak(plan, server, ports)
            await run.run()
        after = await settled_gauges(server, before, SETTLE_S)
        complaints = [line for line in server.log.splitlines() if COMPLAINT.search(line)]
    tally, slope = run.tally, growth(run.tally.memory)
    first, last = warm_samples(tally.memory)[0][1], tally.memory[-1][1]
    limit = MOST_GROWTH if plan.seconds >= LONG_S else NOISE * 600 / (plan.seconds * (1 - WARM))
    wrong = list(tally.wrong)
    wrong += [f"{gauge}: {before[gauge]} at the start, {after[gauge]} at the end" for gauge in BACK if after[gauge] > before[gauge]]
    wrong += [f"memory grows by {slope / MIB:.1f} MiB in ten minutes"] if slope > limit else []
    again = tally.counts["requests asked again"]
    wrong += [f"{again} requests had to be asked again"] if again > MOST_AGAIN * plan.rate * plan.seconds else []
    wrong += [f"the log has {len(complaints)} complaints, first {complaints[0]!r}"] if complaints else []
    rows = [f"| {name} | {count:,} |" for name, count in sorted(tally.counts.items())]
    rows += [f"| {gauge}, at the start and at the end | {before[gauge]} and {after[gauge]} |" for gauge in BACK]
    rows += [f"| Python's objects, at the start and at the end | {before['objects']:,} and {after['objects']:,} |"]
    rows += [f"| memory, once warm and at the end | {first / MIB:.1f} MiB and {last / MIB:.1f} MiB |"]
    rows += [f"| memory in ten minutes, once warm (at most {limit / MIB:+.1f} MiB) | {slope / MIB:+.1f} MiB |"]
    rows += [f"| longest standstill of the soak itself | {tally.standstill_s:.2f} s |"]
    rows += [f"| complaints in the log | {len(complaints)} |"]
    return rows, wrong


def _proxy(way: str, behind: int) -> Proxy:
    proxy, chance = Proxy(behind), random.Random(way)
    match way:
        case "delay":
            proxy.delay_s = 0.1
        case "drip":
            proxy.drip = 20
        case "cut" | "reset" | "stall":
            proxy.ending = lambda: Ending(chance.randrange(1000), way)
    return proxy


def growth(samples: Sequence[tuple[float, int]]) -> float:
    """Bytes in ten minutes: the slope of the least squares through what was measured once it was warm."""
    warm = warm_samples(samples)
    middle, mean = (sum(values) / len(warm) for values in zip(*warm, strict=True))
    spread = sum((at - middle) ** 2 for at, _ in warm)
    return 600 * sum((at - middle) * (size - mean) for at, size in warm) / spread if spread else 0.0


def warm_samples(samples: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    return [(at, size) for at, size in samples if at >= WARM * samples[-1][0]]


def _now() -> float:
    return asyncio.get_running_loop().time()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--sockets", type=int, default=2000)
    parser.add_argument("--rate", type=int, default=200, help="requests in a second")
    parser.add_argument("--faults", type=float, default=5.0, help="per cent of the ways that do harm")
    parser.add_argument("--server", choices=KINDS, default="uvicorn")
    options = parser.parse_args()
    raise_descriptors()
    plan = Plan(60 * options.minutes, min(options.sockets, 5000), min(options.rate, 500), options.faults / 100, options.server)
    with tempfile.TemporaryDirectory() as folder:
        rows, wrong = asyncio.run(soak(plan, Path(folder, "log")))
    print(f"| {plan.server}, {plan.seconds / 60:g} min, {plan.sockets:,} sockets, {plan.rate} requests/s, {100 * plan.faults:g} % faults | |\n| --- | ---: |")
    print("\n".join(rows))
    print(*(f"WRONG: {each}" for each in wrong), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
