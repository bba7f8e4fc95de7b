"""The backends whose faults are measured, as rows: the broker, our channels on it, and the control: the broker's own publish and subscribe, as its
library gives it. A backend is added as one row of ``KINDS``; ``plain`` is an async context manager that yields ``publish(text)``, and calls ``heard(text)``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, NamedTuple

import asyncpg
import nats
from nats.errors import Error as NatsError
from redis.asyncio import Redis as RedisClient
from redis.exceptions import RedisError

from shallot.channels.nats import nats_channels
from shallot.channels.postgres import postgres_channels
from shallot.channels.redis import redis_channels
from shallot.channels.resource import Channels

from .brokers import Broker, Nats, Postgres, Redis

__all__ = ["KINDS", "Kind"]

Publish = Callable[[str], Awaitable[Any]]


class Kind(NamedTuple):
    name: str
    broker: Callable[..., Broker]
    channels: Callable[..., Channels]
    """``(url, topics, **options)``"""
    plain: Callable[[str, str, Callable[[str], None]], AbstractAsyncContextManager[Publish]]
    """``(url for reading, url for writing, heard)``"""
    errors: tuple[type[Exception], ...]
    """What the library raises where a plain publish failed."""

    def url(self, broker: Broker, port: int) -> str:
        return broker.url.replace(str(broker.port), str(port))


@asynccontextmanager
async def plain_redis(reading: str, writing: str, heard: Callable[[str], None]) -> AsyncGenerator[Publish, None]:
    """redis-py's pub/sub, which connects and subscribes again by itself."""

    async def listen(source: Any) -> None:
        while True:
            with suppress(RedisError, OSError):
                async for message in source.listen():
                    if message["type"] == "message":
                        heard(message["data"].decode())
            await asyncio.sleep(0.01)

    async with RedisClient.from_url(reading) as reader, RedisClient.from_url(writing) as writer, reader.pubsub() as source:
        await source.subscribe("plain")
        listening = asyncio.create_task(listen(source))
        try:
            yield lambda text: writer.publish("plain", text)
        finally:
            listening.cancel()
            await asyncio.wait([listening])


@asynccontextmanager
async def plain_nats(reading: str, writing: str, heard: Callable[[str], None]) -> AsyncGenerator[Publish, None]:
    """NATS' own publish and subscribe, without JetStream; nats-py connects and subscribes again by itself."""

    async def hear(message: Any) -> None:
        heard(message.data.decode())

    async def quiet(error: Exception) -> None:
        """Connections are meant to break."""

    options: Mapping[str, Any] = {"error_cb": quiet, "reconnect_time_wait": 0.01, "max_reconnect_attempts": -1}
    async with await nats.connect(reading, **options) as reader, await nats.connect(writing, **options) as writer:
        await reader.subscribe("plain", cb=hear)
        await reader.flush()

        async def send(text: str) -> None:
            await writer.publish("plain", text.encode())
            await writer.flush()

        yield send


@asynccontextmanager
async def plain_postgres(reading: str, writing: str, heard: Callable[[str], None]) -> AsyncGenerator[Publish, None]:
    """LISTEN and NOTIFY. asyncpg tells at once that a connection has ended; connecting again is left to its user."""

    async def connected(url: str) -> Any:
        while True:
            try:
                return await asyncpg.connect(url, timeout=1)
            except PLAIN_POSTGRES_ERRORS:
                await asyncio.sleep(0.01)

    async def listen() -> None:
        while True:
            await listen_once(asyncio.Event())

    async def listen_once(ended: asyncio.Event) -> None:
        connection = await connected(reading)
        try:
            connection.add_termination_listener(lambda _: ended.set())
            with suppress(*PLAIN_POSTGRES_ERRORS):
                await connection.add_listener("plain", lambda _connection, _process, _channel, text: heard(text))
                ready.set()
                await ended.wait()
        finally:
            connection.terminate()

    async def send(text: str) -> None:
        async with lock:
            if writers[0].is_closed():
                writers[0] = await connected(writing)
            await writers[0].execute("SELECT pg_notify('plain', $1)", text)

    ready, lock = asyncio.Event(), asyncio.Lock()
    writers = [await connected(writing)]
    listening = asyncio.create_task(listen())
    try:
        await ready.wait()
        yield send
    finally:
        listening.cancel()
        await asyncio.wait([listening])
        writers[0].terminate()


PLAIN_POSTGRES_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

KINDS: Mapping[str, Kind] = {
    "nats": Kind("nats", Nats, nats_channels, plain_nats, (NatsError, OSError)),
    "postgres": Kind("postgres", Postgres, postgres_channels, plain_postgres, PLAIN_POSTGRES_ERRORS),
    "redis": Kind("redis", Redis, redis_channels, plain_redis, (RedisError, OSError)),
}
