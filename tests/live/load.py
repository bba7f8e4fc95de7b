"""The load that one process holds: thousands of open sockets, an echo from each, and others that come and go meanwhile. ``make load``, or

    python -m tests.live.load --sockets 10000 --connects 1000 --seconds 10 uvicorn hypercorn granian

To this machine's own servers only. The sockets come from several loopback addresses, since one has not ports enough for those that come and go.
It fails where a socket that is held is lost or does not answer, where a newcomer is not served, or where something is left when all have gone.
"""

from __future__ import annotations

import argparse
import asyncio
import struct
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple, TypeVar

import uvloop

from .gauges import BACK, ask, begin_gauges, raise_descriptors, settled_gauges
from .servers import KINDS, Server, serve
from .wire import CLOSE, PING, PONG, TEXT, UPGRADE, frame

SOURCES = [f"127.0.0.{last}" for last in range(2, 10)]
WARM_UP = 200
OPEN_AT_ONCE = 100
PATIENCE_S = 30.0
SETTLE_S = 60.0
COLUMNS = (
    "server",
    "held open",
    "opened in",
    "memory each",
    "all echo in",
    "one echo (99 of 100)",
    "came and went, in a second",
    "an echo meanwhile (99 of 100)",
)


class Plan(NamedTuple):
    sockets: int = 10_000
    connects: int = 1_000
    seconds: float = 10.0
    app: str = "tests.live.soak_app:app"


class Visitor(asyncio.Protocol):
    """One socket: opens, asks for an echo, answers pings, and knows that it was lost."""

    def __init__(self) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.echo: asyncio.Future[bytes] | None = None
        self.is_lost = False
        self._data = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"host": "127.0.0.1", **UPGRADE}.items())
        transport.write(f"GET /echo HTTP/1.1\r\n{lines}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self.opened.done():
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                self.opened.set_exception(EOFError(f"the handshake was answered {head!r}"))
                return
            self._data = rest
            self.opened.set_result(None)
        while len(self._data) >= 2 and len(self._data) >= 2 + self._data[1]:
            opcode, payload = self._data[0] & 15, self._data[2 : 2 + self._data[1]]
            self._data = self._data[2 + self._data[1] :]
            self._hear(opcode, payload)

    def _hear(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._transport.write(frame(PONG, payload))
        elif opcode == TEXT and self.echo is not None and not self.echo.done():
            self.echo.set_result(payload)
        elif opcode == CLOSE:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        for waiting in (self.opened, self.echo):
            if waiting is not None and not waiting.done():
                waiting.set_exception(EOFError("the connection ended"))

    async def say(self, words: bytes) -> float:
        """Seconds until it was heard again."""
        began = time.perf_counter()
        self.echo = asyncio.get_running_loop().create_future()
        self._transport.write(frame(TEXT, words))
        async with asyncio.timeout(PATIENCE_S):
            if (heard := await self.echo) != words:
                raise EOFError(f"said {words!r} and heard {heard!r}")
        return time.perf_counter() - began

    def leave(self) -> None:
        self._transport.write(frame(CLOSE, struct.pack("!H", 1000)))


Thing = TypeVar("Thing")
Result = TypeVar("Result")

_sources = cycle(SOURCES)


async def visit(port: int) -> Visitor:
    async with asyncio.timeout(PATIENCE_S):
        _, visitor = await asyncio.get_running_loop().create_connection(Visitor, "127.0.0.1", port, local_addr=(next(_sources), 0))
        await visitor.opened
    return visitor


async def each(things: Iterable[Thing], work: Callable[[Thing], Awaitable[Result]], at_once: int) -> list[Result]:
    """What ``work`` gives for each, so many at a time."""
    waiting: Iterator[Thing] = iter(things)
    results: list[Result] = []

    async def hand() -> None:
        for thing in waiting:
            results.append(await work(thing))

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(hand())
    return results


# ---- a run


async def load(plan: Plan, name: str, log: Path) -> tuple[list[str], list[str]]:
    """A row of the table, and what was found to be wrong."""
    with serve(name, plan.app, log) as server:
        before = await begin_gauges(server)
        held = await each([server.port] * WARM_UP, visit, OPEN_AT_ONCE)
        resident = await _resident(server)
        began = time.perf_counter()
        held += await each([server.port] * (plan.sockets - WARM_UP), visit, OPEN_AT_ONCE)
        opened_s = time.perf_counter() - began
        memory = (await _resident(server) - resident) / max(plan.sockets - WARM_UP, 1)
        began = time.perf_counter()
        await each(held, _echo, OPEN_AT_ONCE)
        all_s = time.perf_counter() - began
        alone = [await _echo(visitor) for visitor in held[:: max(len(held) // 500, 1)]]
        came, meanwhile, wrong = await _churn(plan, server.port, held)
        wrong += [f"{lost} sockets that were held are lost"] if (lost := sum(visitor.is_lost for visitor in held)) else []
        for visitor in held:
            visitor.leave()
        after = await settled_gauges(server, before, SETTLE_S)
    wrong += [f"{gauge}: {before[gauge]} at the start, {after[gauge]} at the end" for gauge in BACK if after[gauge] > before[gauge]]
    figures = [f"{plan.sockets:,}", f"{opened_s:.1f} s", f"{memory / 1024:.1f} KiB", f"{all_s:.1f} s", _percentile(alone), f"{came / plan.seconds:,.0f}"]
    return [name, *figures, _percentile(meanwhile)], wrong


async def _churn(plan: Plan, port: int, held: list[Visitor]) -> tuple[int, list[float], list[str]]:
    """So many come, echo and go in each second, if the machine can; those that are held are asked meanwhile. How many, how long an echo took, what failed."""
    loop = asyncio.get_running_loop()
    begun, wrong, meanwhile = loop.time(), list[str](), list[float]()
    came = 0

    def due() -> Iterator[int]:
        while (passed := loop.time() - begun) < plan.seconds:
            yield max(0, came - int(passed * plan.connects))

    async def come_and_go(early: int) -> None:
        nonlocal came
        if early:
            await asyncio.sleep(0.005)
            return
        came += 1
        try:
            visitor = await visit(port)
            await visitor.say(b"hello")
            visitor.leave()
        except (OSError, EOFError, TimeoutError) as error:
            wrong.append(f"one that came was not served: {error!r}")

    async def ask() -> None:
        for visitor in cycle(held):
            if loop.time() - begun >= plan.seconds:
                return
            meanwhile.append(await _echo(visitor))
            await asyncio.sleep(0.02)

    await asyncio.gather(each(due(), come_and_go, 64), ask())
    return came, meanwhile, wrong[:5]


async def _echo(visitor: Visitor) -> float:
    return await visitor.say(b"one")


def _percentile(seconds: list[float]) -> str:
    cuts = quantiles(seconds, n=100)
    return f"{1000 * cuts[49]:.1f} ms ({1000 * cuts[98]:.1f})"


async def _resident(server: Server) -> int:
    return int((await ask(server, "GET", "/resident")).body)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*", choices=[[], *KINDS], help="uvicorn alone, if none is named")
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--connects", type=int, default=1_000, help="in a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="for which others come and go")
    options = parser.parse_args()
    raise_descriptors()
    plan = Plan(min(options.sockets, 20_000), min(options.connects, 2_000), options.seconds)
    print(f"| {' | '.join(COLUMNS)} |\n| --- {'| ---: ' * (len(COLUMNS) - 1)}|", flush=True)
    failed: list[str] = []
    for name in options.servers or ["uvicorn"]:
        with tempfile.TemporaryDirectory() as folder:
            figures, wrong = uvloop.run(load(plan, name, Path(folder, "log")))
        print(f"| {' | '.join(figures)} |", flush=True)
        failed += [f"{name}: {each}" for each in wrong]
    print(*(f"WRONG: {each}" for each in failed), sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
