"""A connection to PostgreSQL on which one thing is done at a time, in order, and to its end. The one file that imports asyncpg; knows no statements."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias, TypeVar

try:
    import asyncpg  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # asyncpg ships no types
except ImportError as error:
    raise ImportError("postgres_channels needs asyncpg: pip install 'shallot[postgres]'") from error

from ..errors import Unavailable
from .contract import CONNECT_S, LinkLost, Sink

__all__ = ["Desk", "Use", "failure"]

log = logging.getLogger("shallot.channels")

T = TypeVar("T")

connect: Callable[..., Coroutine[Any, Any, Any]] = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
REFUSALS = asyncpg.InsufficientResourcesError, asyncpg.InsufficientPrivilegeError, asyncpg.ProgramLimitExceededError
"""Errors that another connection would get, too. The last: the queue of notifications is full."""
SETTINGS = {"application_name": "shallot", "jit": "off"}

Use: TypeAlias = Callable[[Any], Coroutine[Any, Any, T]]
"""Gets asyncpg's connection."""


class Desk:
    """Whoever asks and goes away does not cancel what was asked: asyncpg would open another connection for that. ``close`` ends everything at once."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._connection: Any = None
        self._uses: asyncio.Queue[Callable[[], Coroutine[Any, Any, None]] | None] = asyncio.Queue()
        self._work: asyncio.Task[None] | None = None

    async def open(self, url: str) -> None:
        try:
            self._connection = await connect(url, timeout=CONNECT_S, target_session_attrs="primary", server_settings=SETTINGS)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise LinkLost(f"postgres: {error!r}") from error
        self._connection.add_termination_listener(self._ended)
        self._work = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Nothing is waited for, not even a frozen peer."""
        if self._connection is not None:
            self._connection.terminate()
        if self._work is not None:
            self._uses.put_nowait(None)
            await self._work

    def _ended(self, connection: object) -> None:
        self._sink.lost(LinkLost("postgres: the connection was closed"))

    async def fetch(self, statement: str, *arguments: object) -> Sequence[Any]:
        """The rows that it gives."""

        async def fetch(connection: Any) -> Sequence[Any]:
            rows: Sequence[Any] = await connection.fetch(statement, *arguments)
            return rows

        return await self.use(fetch)

    def use(self, use: Use[T]) -> asyncio.Future[T]:
        """What ``use`` gives, once it is its turn."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_seen)

        async def answered() -> None:
            try:
                result = await use(self._connection)
            except Exception as error:
                if not answer.done():
                    answer.set_exception(failure(error))
            else:
                if not answer.done():
                    answer.set_result(result)

        self._uses.put_nowait(answered)
        return answer

    async def _run(self) -> None:
        """On a closed connection every use fails, so everybody is answered."""
        while (use := await self._uses.get()) is not None:
            await use()


def failure(error: Exception) -> Unavailable:
    """What ``error`` is for the core. Where PostgreSQL has no room, or does not allow it, another connection would get the same answer."""
    kind = Unavailable if isinstance(error, REFUSALS) else LinkLost
    failed = kind(f"postgres: {error!r}")
    failed.__cause__ = error
    return failed


def _seen(answer: asyncio.Future[Any]) -> None:
    """Nobody need look at it."""
    if not answer.cancelled():
        answer.exception()
