"""Faults of a network, made to order: a TCP proxy in front of a broker (of any kind), in this process.

    async with Proxy(broker.port) as proxy:
        connect to proxy.port ...
        proxy.cut()                   # every connection ends now, as when a process goes: an orderly end
        proxy.reset()                 # the same with a reset
        proxy.freeze()                # nothing gets through any more, and nobody is told; new connections are as dead
        proxy.freeze("answers")       # only what the broker says does not get through: it hears, and does, what it is asked
        proxy.thaw()                  # what waited arrives
        proxy.delay_s = 0.05          # each piece later by so much
        proxy.drip = 3                # never more than so many bytes at a time
        proxy.refuse()                # no new connections; ``accept`` takes them again
    proxy.ending = ...            # each connection ends by itself after so many bytes: ``lambda: Ending(500, "reset")``

Processes are stopped, continued, killed, and taken back to an earlier state by ``brokers.Broker``.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, NamedTuple, Self

PIECE = 65_536
STALL_S = 10.0
"""For how long a stalled connection stands before it ends, as silently as it stood."""

Way = Literal["questions", "answers"]


class Ending(NamedTuple):
    """How a single connection ends: after so many bytes of answers. A stalled one goes on hearing, and says nothing."""

    after_bytes: int
    how: Literal["cut", "reset", "stall"]


class Proxy:
    """Between whoever connects to ``port`` and 127.0.0.1:``behind``."""

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self.delay_s = 0.0
        self.drip = 0
        self.ending: Callable[[], Ending] | None = None
        """Asked for each new connection; ``None``: they do not end by themselves."""
        self.connections = 0
        """How many were made so far."""
        self._open: dict[Way, asyncio.Event] = {"questions": asyncio.Event(), "answers": asyncio.Event()}
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.thaw()

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- faults

    def cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def reset(self) -> None:
        _with_a_reset(self._writers)
        self.cut()

    def freeze(self, *ways: Way) -> None:
        for way in ways or self._open:
            self._open[way].clear()

    def thaw(self) -> None:
        for way in self._open.values():
            way.set()

    async def refuse(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def accept(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_address=True)
            self.port = self._server.sockets[0].getsockname()[1]

    # ---- inside

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        ends = {writer}
        self._writers |= ends
        try:
            await self._open["questions"].wait()
            with suppress(OSError):
                broker, to_broker = await asyncio.open_connection("127.0.0.1", self.behind)
                ends.add(to_broker)
                self._writers |= ends
                pumps = [asyncio.create_task(self._pump("questions", reader, to_broker)), asyncio.create_task(self._pump("answers", broker, writer))]
                try:
                    ended, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                    if any(pump.result() == "reset" for pump in ended):
                        _with_a_reset(ends)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)
        except asyncio.CancelledError:
            return  # a server's callback that is cancelled is logged as an error
        finally:
            self._writers -= ends
            self._tasks.discard(task)
            for end in ends:
                end.transport.abort()

    async def _pump(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
        """Pass on what comes, until its end; how it was ended, where that was made to order."""
        ending = self.ending() if self.ending is not None and way == "answers" else None
        passed = 0
        with suppress(OSError):
            while data := await reader.read(PIECE):
                whole, passed = data, passed + len(data)
                if ending is not None and passed > ending.after_bytes:
                    data = data[: len(data) - (passed - ending.after_bytes)]
                size = self.drip or len(data) or 1
                for start in range(0, len(data), size):
                    await self._open[way].wait()
                    await asyncio.sleep(self.delay_s)
                    writer.write(data[start : start + size])
                    await writer.drain()
                if ending is not None and len(data) < len(whole):
                    await asyncio.sleep(STALL_S if ending.how == "stall" else 0)
                    return ending.how
        return None


def _with_a_reset(writers: set[asyncio.StreamWriter]) -> None:
    """Their end is told at once, and what was not sent yet is not sent."""
    for writer in writers:
        with suppress(OSError):  # it has ended already
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
