"""A connection to Redis that many use at the same time. The one file that imports redis; knows no scripts, and no channels."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

try:
    from redis.asyncio.connection import ConnectionPool, parse_url
    from redis.exceptions import MasterDownError, MovedError, NoScriptError, ReadOnlyError, RedisError, ResponseError
except ImportError as error:
    raise ImportError("redis_channels needs redis: pip install 'shallot[redis]'") from error

from ..errors import Unavailable
from .contract import CONNECT_S, LinkLost, Sink

__all__ = ["Address", "Wire"]

log = logging.getLogger("shallot.channels")

MESSAGES = frozenset({b"message", b"smessage"})
"""How Redis begins what it was not asked for."""
STALE = NoScriptError, ReadOnlyError, MasterDownError
"""Refusals that another connection cures: the scripts were flushed, or this is a replica now,"""
READ_ONLY = "-READONLY "
"""which Redis 6 says within another error where it was a script that wrote."""
MOVED = " (a cluster's redirections are not followed: put a proxy in front of it, or use a primary with replicas)"
OURS: Mapping[str, Any] = {
    "protocol": 2,
    "decode_responses": False,
    "socket_timeout": None,
    "socket_connect_timeout": CONNECT_S,
    "retry_on_timeout": False,
    "health_check_interval": 0,
}


class Address:
    """Where Redis is. Whatever the URL says: deadlines and retries are the core's, and replies are bytes."""

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = {**parse_url(url), **OURS}
        self._pool: Any = ConnectionPool(**options)
        self.database = int(self._pool.connection_kwargs.get("db") or 0)

    def connection(self) -> Any:
        """One that is not connected yet."""
        return self._pool.make_connection()


class Question(NamedTuple):
    """What was asked, and has not been answered in full."""

    asked: int
    """Commands."""
    expected: int
    """Replies."""
    replies: list[Any]
    answer: asyncio.Future[list[Any]]


class Wire:
    """One connection, which many use at the same time: what they ask in one turn of the loop leaves in one write, and is answered in its order."""

    def __init__(self, connection: Any, sink: Sink, hear: Callable[[bytes, bytes], None]) -> None:
        self._connection = connection
        self._sink = sink
        self._hear = hear
        self._packed: list[bytes] = []
        self._asked = asyncio.Event()
        self._waiting: deque[Question] = deque()
        self._failure: LinkLost | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._transport: asyncio.WriteTransport | None = None

    async def open(self) -> None:
        try:
            await self._connection.connect()
        except (RedisError, OSError) as error:
            raise LinkLost(f"redis: {error}") from error
        self._transport = self._connection._writer.transport
        self._tasks = [asyncio.create_task(self._run(self._read)), asyncio.create_task(self._run(self._write))]

    async def close(self) -> None:
        """At once: what a frozen peer does not take is not waited for."""
        self._end(LinkLost("redis: the link was closed"))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._transport is not None:
            self._transport.abort()
        await self._connection.disconnect(nowait=True)

    async def ask(self, *commands: tuple[object, ...]) -> list[Any]:
        """One reply for each."""
        return await self.send(len(commands), *commands) if commands else []

    def send(self, count: int, *commands: tuple[object, ...]) -> asyncio.Future[list[Any]]:
        """``count`` replies, as soon as they are there."""
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        if self._failure is not None:
            answer.set_exception(self._failure)
            return answer
        for command in commands:
            self._packed += self._connection.pack_command(*command)
        self._waiting.append(Question(len(commands), count, [], answer))
        self._asked.set()
        return answer

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (RedisError, OSError) as error:
            self._fail(error)
        except Exception as error:
            log.exception("channels: the connection to Redis failed in an unexpected way")
            self._fail(error)

    async def _write(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            packed, self._packed = self._packed, []
            await self._connection.send_packed_command(packed, check_health=False)

    async def _read(self) -> None:
        while True:
            try:
                reply = await self._connection.read_response(disable_decoding=True, disconnect_on_error=False)
            except ResponseError as error:
                reply = error
            match reply:
                case [kind, name, payload] if kind in MESSAGES:
                    self._hear(name, payload)
                case _:
                    self._answer(reply)

    def _answer(self, reply: Any) -> None:
        if not self._waiting:
            raise RedisError(f"an answer that nobody asked for: {reply!r:.200}")
        question = self._waiting[0]
        is_refused = isinstance(reply, ResponseError)
        if is_refused and (isinstance(reply, STALE) or READ_ONLY in str(reply) or question.expected != question.asked):
            raise reply  # one refusal stands for all replies of a command: which reply is whose would not be known
        question.replies.append(reply)
        if len(question.replies) == question.expected:
            self._waiting.popleft()
            if not question.answer.done():  # or whoever asked has gone
                refusals = [reply for reply in question.replies if isinstance(reply, ResponseError)]
                if refusals:
                    cure = MOVED if isinstance(refusals[0], MovedError) else ""
                    question.answer.set_exception(Unavailable(f"redis refuses: {refusals[0]}{cure}"))
                else:
                    question.answer.set_result(question.replies)

    def _fail(self, error: Exception) -> None:
        self._end(_lost(error))
        self._sink.lost(error)

    def _end(self, failure: LinkLost) -> None:
        """Nobody is answered any more."""
        self._failure = self._failure or failure
        for question in self._waiting:
            if not question.answer.done():
                question.answer.set_exception(failure)


def _lost(error: Exception) -> LinkLost:
    lost = LinkLost(f"redis: {error}")
    lost.__cause__ = error
    return lost
