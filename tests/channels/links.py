"""Links to brokers of this machine, for what is a backend's own; what all backends have in common is in the suite that each of them passes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from shallot.channels.nats import NatsBackend
from shallot.channels.postgres import PostgresBackend
from shallot.channels.redis import RedisBackend
from shallot.testing.channels_aids import Recorder

from ..live.brokers import Broker, Nats, Postgres, Redis

BACKENDS: dict[type[Broker], Any] = {Nats: NatsBackend, Postgres: PostgresBackend, Redis: RedisBackend}


@asynccontextmanager
async def linked(broker: Any, url: str | None = None, **options: Any) -> AsyncGenerator[tuple[Any, Recorder], None]:
    """A link, and what it tells. ``url``: where ``broker`` is reached in another way."""
    sink = Recorder()
    async with BACKENDS[type(broker)](url or broker.url, **options).connect(sink) as link:
        yield link, sink


async def raw(link: Any, verb: str, *names: str, **body: Any) -> Any:
    """What NATS answers."""
    return await link._wire.ask(verb, *names, **body)


@asynccontextmanager
async def connected(postgres: Postgres) -> AsyncGenerator[Any, None]:
    """Beside all links."""
    connection = await asyncpg.connect(postgres.url)
    try:
        yield connection
    finally:
        await connection.close()
