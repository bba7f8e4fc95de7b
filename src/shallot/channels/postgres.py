"""The backend in PostgreSQL: a table of positions, a table of messages, and notifications. Three connections: one hears, one writes, one reads."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from random import uniform
from typing import Any

from ..errors import Unavailable
from .contract import Caps, Link, Sink, is_refusal
from .postgres_link import PostgresLink
from .postgres_schema import format_schema, format_statements
from .postgres_wire import Desk
from .resource import Channels

__all__ = ["PostgresBackend", "postgres_channels"]

log = logging.getLogger("shallot.channels")

SWEEP_S = 30.0
"""How often what is too old is deleted where nobody publishes any more, more or less a half,"""
SWEEP_ROWS = 5_000
"""and how many rows of a kind at a time."""
FORGET_S = 3600.0
"""How long at least the head of a channel is known after somebody needed it."""
LOST_NODE_S = 60.0
"""How long a lease has been over before its node's members are deleted: until then the node may come back."""


def postgres_channels(
    url: str, topics: Mapping[str, Mapping[str, Any]] | None = None, *, schema: str = "shallot", poll_s: float | None = None, **options: Any
) -> Channels:
    """Channels for many processes, through PostgreSQL (13 or later). A resource of ``build_server``.

    ``url``      ``postgresql://user:password@host:5432/database``; several hosts with a comma between them: the primary is taken
    ``topics``   settings by pattern of the channel's name, see ``shallot.channels.topics.Topic``
    ``schema``   where our tables are (``"shallot"``); made when it is missing. Who shares it shares the channels
    ``poll_s``   look for messages so often, too (never): where notifications may not arrive. Who joins and leaves is then heard within a minute
    ``options``  those of ``Channels``

    Each process has three connections, straight to the server: a pooler that shares connections breaks ``LISTEN``. What was acknowledged is kept as
    PostgreSQL keeps what was committed (``synchronous_commit``, ``fsync``). What it does lose, readers are told.

        >>> channels = postgres_channels("postgresql://localhost/app", {"chat:*": {"keep": 1000, "presence": True}})
    """
    return Channels(PostgresBackend(url, schema=schema, poll_s=poll_s), topics, **options)


class PostgresBackend:
    """Where PostgreSQL is, and our schema there."""

    caps = Caps(contiguous=True, local=False)

    def __init__(self, url: str, *, schema: str = "shallot", poll_s: float | None = None) -> None:
        if not isinstance(schema, str) or not re.fullmatch(r"[a-z_][a-z0-9_]{0,50}", schema):  # pyright: ignore[reportUnnecessaryIsInstance]  # a user's value
            raise ValueError(f"postgres_channels: schema must be a lower-case name like 'shallot', got {schema!r}")
        if not url.startswith(("postgresql://", "postgres://")):
            raise ValueError(f"postgres_channels: expected a URL like postgresql://host/database, got one that begins with {url.partition('://')[0][:20]!r}")
        if poll_s is not None and (isinstance(poll_s, bool) or not isinstance(poll_s, (int, float)) or not 0.01 <= poll_s <= 60):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"postgres_channels: poll_s must be a number from 0.01 to 60, or None, got {poll_s!r}")
        self._url = url
        self._poll_s = poll_s
        self.schema = schema
        self.statements = format_statements(schema)

    @asynccontextmanager
    async def connect(self, sink: Sink, /) -> AsyncGenerator[Link, None]:
        ear, pen, eye = desks = Desk(sink), Desk(sink), Desk(sink)
        try:
            for desk in desks:
                await desk.open(self._url)
            await self._make(pen)
            link = PostgresLink(self.schema, self.statements, sink, ear, pen, eye)
            duties = [partial(self._sweep, pen)] if self._poll_s is None else [partial(self._sweep, pen), partial(link.poll, self._poll_s)]
            tasks = [asyncio.create_task(_done(duty, sink)) for duty in duties]
            try:
                yield link
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
        finally:
            for desk in desks:
                await desk.close()

    async def _make(self, pen: Desk) -> None:
        """Our tables and functions, unless they are there. One process at a time: two that create the same collide."""
        (found,) = await pen.fetch(self.statements.exists)
        if not found[0]:
            await pen.use(self._create)

    async def _create(self, connection: Any) -> None:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"{self.schema}.create")
            await connection.execute(format_schema(self.schema))

    async def _sweep(self, pen: Desk) -> None:
        while True:
            await asyncio.sleep(uniform(0.5, 1.5) * SWEEP_S)
            await pen.fetch(self.statements.sweep, SWEEP_ROWS, LOST_NODE_S, FORGET_S)


async def _done(duty: Callable[[], Coroutine[Any, Any, None]], sink: Sink) -> None:
    """``duty``, which begins with a pause, for as long as the link is well."""
    while True:
        try:
            await duty()
        except Unavailable as error:
            if not is_refusal(error):
                return sink.lost(error)
            log.warning("channels: %s; it will be tried again", error)
