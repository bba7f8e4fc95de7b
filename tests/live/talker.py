"""A client of ``soak_app.talk`` that says numbered messages and watches what it hears. Comes back where its way breaks off, until it is told to leave."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from typing import Any

from .wire import CLOSE, PING, PONG, TEXT, UPGRADE, frame

GONE = (OSError, EOFError, TimeoutError)
BREAKS_OFF = frozenset({"cut", "reset", "stall"})
"""Ways of which nothing more is asked than order."""
PATIENCE_S = 5.0
"""How long a client whose way breaks off waits for anything."""
CALM_S = 60.0
"""The same for one whose way does not."""
PAD = "x" * 120


class Talker:
    """``said``, ``echoed`` and ``heard`` are of the connection there is."""

    def __init__(self, room: int, way: str, ports: Mapping[str, int], tally: Any) -> None:
        self.room, self.way, self.ports, self.tally = room, way, ports, tally
        self.said = self.echoed = 0
        self.heard: int | None = None
        self.opened = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._leaves = False

    def __repr__(self) -> str:
        return f"a client by the way {self.way}"

    @property
    def breaks_off(self) -> bool:
        return self.way in BREAKS_OFF

    def say(self) -> None:
        if self._writer is not None:
            self.said += 1
            self._writer.write(frame(TEXT, f"{self.said} {PAD}".encode()))

    def has_all(self, published: int) -> bool:
        return self.breaks_off or (self.echoed == self.said and self.heard == published)

    def leave(self) -> None:
        self._leaves = True
        if self._writer is not None:
            if self.breaks_off:
                self._writer.transport.abort()
            else:
                self._writer.write(frame(CLOSE, struct.pack("!H", 1000)))

    async def run(self) -> None:
        while not self._leaves:
            try:
                await self._converse()
            except GONE as error:
                if self._leaves:
                    return
                self.tally.counts[f"conversations broken off, {self.way}"] += 1
                if not self.breaks_off:
                    self.tally.fault(f"{self} was cut off: {error!r}")
            finally:
                self.opened.set()
                self._let_go()
            await asyncio.sleep(0.1)

    def _let_go(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.transport.abort()

    async def _converse(self) -> None:
        async with asyncio.timeout(PATIENCE_S if self.breaks_off else CALM_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[self.way])
            try:
                lines = "".join(f"{name}: {value}\r\n" for name, value in {"host": "127.0.0.1", **UPGRADE}.items())
                writer.write(f"GET /talk/{self.room} HTTP/1.1\r\n{lines}\r\n".encode())
                if b" 101 " not in (head := await reader.readuntil(b"\r\n\r\n")):
                    raise EOFError(f"the handshake was answered {head!r}")
                position = await self._text(reader, writer)
            except BaseException:
                writer.transport.abort()
                raise
        self.said = self.echoed = 0
        self.heard = int(position.removeprefix("s "))
        fresh = True
        self._writer = writer
        self.opened.set()
        self.tally.counts[f"conversations, {self.way}"] += 1
        while True:
            async with asyncio.timeout(PATIENCE_S if self.breaks_off else CALM_S):
                text = await self._text(reader, writer)
            kind, number, *_ = text.split(" ", 2)
            if kind == "e":
                self._expect("its own", int(number), self.echoed + 1)
                self.echoed = int(number)
                self.tally.counts["messages said and heard again"] += 1
            elif kind == "r":
                if not (fresh and int(number) == self.heard):  # the one that was under way when it came
                    self._expect(f"room {self.room}'s", int(number), self.heard + 1)
                self.heard, fresh = int(number), False
                self.tally.counts["messages of a room"] += 1
            else:
                self.tally.fault(f"{self} was told {text!r}")

    def _expect(self, whose: str, number: int, due: int) -> None:
        if number != due:
            self.tally.fault(f"{self} heard {whose} {number}, not {due}")

    async def _text(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """The next text; what the protocol wants is answered on the way."""
        while True:
            first, second = await reader.readexactly(2)
            length = second & 127
            if length > 125:
                length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8))
            payload = await reader.readexactly(length)
            opcode = first & 15
            if opcode == TEXT:
                return payload.decode()
            if opcode == PING:
                writer.write(frame(PONG, payload))
            if opcode == CLOSE:
                raise EOFError(f"closed with {payload!r}")
