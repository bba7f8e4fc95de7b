"""From the publish to the delivery: ours on each backend beside the bare client library; and what an idle subscription weighs.

The bare library does the nearest thing that it offers by itself, without our ids, cursors, recovery or presence: a queue in memory, PUBLISH and a
subscription of Redis, a JetStream publish and its ordered consumer, an INSERT with NOTIFY and a listener. One message at a time, in one process.

The child, ``python -m benchmarks.latency``, prints the bytes of an idle subscription as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median, quantiles
from time import perf_counter
from typing import Any, TypeAlias

import uvloop

from shallot.channels import Channels, memory_channels, nats_channels, postgres_channels, redis_channels
from tests.live.brokers import Nats, Postgres, Redis

from .frameworks import child

__all__ = ["measure_all"]

TEXT = "x" * 200
Pair: TypeAlias = tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]]
"""Say it; hear it."""


def measure_all(*, quick: bool) -> dict[str, Any]:
    """``latency``: by backend, ms at p50 and p99 for ours and the bare library, and the ratio of the medians; ``bytes``: what an idle subscription weighs."""
    messages, rounds = (100, 1) if quick else (500, 8)
    with Redis() as redis, Nats() as nats, Postgres() as postgres:
        urls = {"memory": "", "redis": redis.url, "nats": nats.url, "postgres": postgres.url}
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = {name: runner.run(_compare(name, url, messages, rounds)) for name, url in urls.items()}
    return {"latency": figures, "bytes": child("benchmarks.latency")}


async def _compare(name: str, url: str, messages: int, rounds: int) -> dict[str, Any]:
    """Rounds of both in turn, after one that does not count."""
    delays: dict[str, list[list[float]]] = {"ours": [], "bare": []}
    async with AsyncExitStack() as stack:
        pairs = {"ours": await stack.enter_async_context(ours(OURS[name](url))), "bare": await stack.enter_async_context(BARE[name](url))}
        for _ in range(1 + rounds):
            for who, (say, hear) in pairs.items():
                delays[who].append([await _once(say, hear) for _ in range(messages)])
    shown = {who: quantiles([delay for round_ in found[1:] for delay in round_], n=100) for who, found in delays.items()}
    ratios = [median(one) / median(other) for one, other in zip(delays["ours"][1:], delays["bare"][1:], strict=True)]
    return {**{who: {"p50": cuts[49], "p99": cuts[98]} for who, cuts in shown.items()}, "ratio": median(ratios)}


async def _once(say: Callable[[], Awaitable[Any]], hear: Callable[[], Awaitable[Any]]) -> float:
    """Milliseconds from the call to the hearing, which need not wait for the answer to the call."""
    hearing = asyncio.ensure_future(hear())
    await asyncio.sleep(0)
    began = perf_counter()
    hearing.add_done_callback(lambda _: ended.append(perf_counter()))
    ended: list[float] = []
    await say()
    async with asyncio.timeout(10):
        heard = await hearing
    await asyncio.sleep(0)
    if TEXT not in str(heard):
        raise SystemExit(f"expected {TEXT[:20]}..., heard {heard!r:.200}")
    return 1e3 * (ended[0] - began)


@asynccontextmanager
async def ours(channels: Channels) -> AsyncIterator[Pair]:
    async with channels, channels.subscription("room") as messages:
        yield lambda: channels.publish("room", TEXT), lambda: anext(messages)


@asynccontextmanager
async def bare_memory(url: str) -> AsyncIterator[Pair]:
    queue: asyncio.Queue[str] = asyncio.Queue()
    yield lambda: queue.put(TEXT), queue.get


@asynccontextmanager
async def bare_redis(url: str) -> AsyncIterator[Pair]:
    from redis.asyncio import Redis as Client

    async with Client.from_url(url) as client, client.pubsub(ignore_subscribe_messages=True) as listener:
        await listener.subscribe("room")
        heard = listener.listen()
        yield lambda: client.publish("room", TEXT), lambda: anext(heard)


@asynccontextmanager
async def bare_nats(url: str) -> AsyncIterator[Pair]:
    import nats

    client = await nats.connect(url)
    try:
        stream = client.jetstream()
        await stream.add_stream(name="bare", subjects=["bare.>"])
        heard = (await stream.subscribe("bare.room", ordered_consumer=True)).messages
        yield lambda: stream.publish("bare.room", TEXT.encode()), lambda: anext(heard)
    finally:
        await client.close()


@asynccontextmanager
async def bare_postgres(url: str) -> AsyncIterator[Pair]:
    import asyncpg

    speaker, listener = await asyncpg.connect(url), await asyncpg.connect(url)
    queue: asyncio.Queue[str] = asyncio.Queue()
    try:
        await speaker.execute("CREATE TABLE bare (id bigserial PRIMARY KEY, data text)")
        await listener.add_listener("bare", lambda connection, pid, channel, payload: queue.put_nowait(payload))

        async def say() -> None:
            await speaker.execute("WITH stored AS (INSERT INTO bare (data) VALUES ($1) RETURNING data) SELECT pg_notify('bare', data) FROM stored", TEXT)

        yield say, queue.get
    finally:
        await speaker.close()
        await listener.close()


OURS: Mapping[str, Callable[[str], Channels]] = {
    "memory": lambda url: memory_channels(),
    "redis": redis_channels,
    "nats": nats_channels,
    "postgres": postgres_channels,
}
BARE: Mapping[str, Callable[[str], Any]] = {"memory": bare_memory, "redis": bare_redis, "nats": bare_nats, "postgres": bare_postgres}


# ---- in the child: what an idle subscription weighs

IDLE = 2000


async def weigh() -> dict[str, int]:
    """Bytes that Python allocates for each of 2,000 idle subscriptions: in code, and in a conversation above the same conversation without it."""
    from shallot import build_server, subscribe, websocket

    channels = memory_channels()
    async with channels, AsyncExitStack() as stack:

        async def in_code(count: int) -> None:
            for _ in range(count):
                await stack.enter_async_context(channels.subscription("room"))

        each = await _grown(in_code)
        bare = await _grown(_without_a_subscription(stack))
    conversations: list[int] = []
    for count in (0, 1, 9):

        @websocket
        async def hear(scope: Any, receiver: Any, count: int = count) -> AsyncIterator[Any]:
            for number in range(count):
                yield subscribe(f"room {number}")
            async for _ in receiver:
                pass

        conversations.append(await _of_conversations(build_server(hear, resources={"channels": memory_channels()})))
    none, one, nine = conversations
    return {"in code, its context manager included": each - bare, "the first of a conversation": one - none, "each further one": (nine - one) // 8}


def _without_a_subscription(stack: AsyncExitStack) -> Callable[[int], Awaitable[None]]:
    """What the measuring itself costs: a context on the stack."""

    @asynccontextmanager
    async def nothing() -> AsyncIterator[None]:
        yield

    async def enter(count: int) -> None:
        for _ in range(count):
            await stack.enter_async_context(nothing())

    return enter


async def _of_conversations(app: Any) -> int:
    told: asyncio.Queue[Any] = asyncio.Queue()
    life: asyncio.Queue[Any] = asyncio.Queue()
    life.put_nowait({"type": "lifespan.startup"})
    living = asyncio.ensure_future(app({"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}, life.get, told.put))
    await told.get()
    tasks: list[asyncio.Task[None]] = []

    async def open_some(count: int) -> None:
        tasks.extend(asyncio.create_task(app(_scope(), _Client().receive, _ignore)) for _ in range(count))
        for _ in range(20):
            await asyncio.sleep(0.01)
        if any(task.done() for task in tasks):
            raise SystemExit("a conversation ended")

    size = await _grown(open_some)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    life.put_nowait({"type": "lifespan.shutdown"})
    await living
    return size


def _scope() -> dict[str, Any]:
    return {
        **{"type": "websocket", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "scheme": "ws", "path": "/", "raw_path": b"/"},
        **{"query_string": b"", "root_path": "", "headers": [(b"host", b"x")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "subprotocols": []},
    }


class _Client:
    """Connects, and says nothing."""

    def __init__(self) -> None:
        self.said = [{"type": "websocket.connect"}]

    async def receive(self) -> Any:
        return self.said.pop() if self.said else await asyncio.get_running_loop().create_future()


async def _ignore(event: Any) -> None:
    pass


async def _grown(make: Callable[[int], Awaitable[None]]) -> int:
    """Bytes that each of ``IDLE`` things adds, after some that make whatever is shared."""
    await make(100)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    await make(IDLE)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return round(grown / IDLE)


if __name__ == "__main__":
    with asyncio.Runner() as runner:
        print(json.dumps(runner.run(weigh())))
