"""A client of bare sockets: it may say, leave out and break off what no client library lets one. Knows HTTP/1.1 and RFC 6455 framing, no server."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

DEADLINE_S = 10.0

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool
    """Whether as much came as was announced; ``False`` is what a client library reports as an incomplete read."""


class Closed(NamedTuple):
    """A close frame: RFC 6455 5.5.1. ``code`` is ``None`` for one without."""

    code: int | None
    reason: str


class Wire:
    """One TCP connection. Every read and write has a deadline."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.data = bytearray()
        self.ended = False

    @classmethod
    async def connect(cls, port: int, *, receive_buffer: int | None = None) -> Wire:
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return cls(sock)

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.drop()

    # ---- bytes

    async def write(self, data: bytes) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def _more(self) -> bool:
        """Whether another piece came before the connection's end."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                piece = await asyncio.get_running_loop().sock_recv(self.sock, 65536)
            except ConnectionResetError:
                piece = b""
        self.data += piece
        self.ended = not piece
        return bool(piece)

    async def until(self, mark: bytes) -> bytes:
        while mark not in self.data:
            if not await self._more():
                raise EOFError(f"the connection ended before {mark!r}; it said {bytes(self.data)!r}")
        head, _, rest = bytes(self.data).partition(mark)
        self.data[:] = rest
        return head

    async def exactly(self, count: int) -> bytes:
        while len(self.data) < count:
            if not await self._more():
                raise EOFError(f"the connection ended {count - len(self.data)} bytes early")
        taken = bytes(self.data[:count])
        del self.data[:count]
        return taken

    async def rest(self) -> bytes:
        while await self._more():
            pass
        taken = bytes(self.data)
        self.data.clear()
        return taken

    # ---- leaving: three ways that a client library does not offer

    def drop(self) -> None:
        """FIN, without a word before it."""
        self.sock.close()

    def half_close(self) -> None:
        """FIN, but go on reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    # ---- HTTP

    async def request(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        given = headers or {}
        length = {"content-length": str(len(body))} if body and "transfer-encoding" not in given else {}
        lines = {"host": "127.0.0.1", **length, **given}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        await self.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
        return await self.answer(head_only=method == "HEAD")

    async def answer(self, *, head_only: bool = False) -> Answer:
        status_line, *lines = (await self.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(status_line.split()[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if head_only or status < 200 or status in (204, 304):
            return Answer(status, headers, b"", True)
        if "content-length" in headers:
            return await self._announced(status, headers, int(headers["content-length"]))
        if headers.get("transfer-encoding") == "chunked":
            return await self._chunked(status, headers)
        return Answer(status, headers, await self.rest(), True)

    async def _announced(self, status: int, headers: Mapping[str, str], length: int) -> Answer:
        try:
            return Answer(status, headers, await self.exactly(length), True)
        except EOFError:
            return Answer(status, headers, bytes(self.data), False)

    async def _chunked(self, status: int, headers: Mapping[str, str]) -> Answer:
        body = b""
        try:
            while size := int(await self.until(b"\r\n"), 16):
                body += await self.exactly(size)
                await self.exactly(2)
            await self.until(b"\r\n")
        except EOFError:
            return Answer(status, headers, body, False)
        return Answer(status, headers, body, True)

    # ---- WebSocket

    async def upgrade(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.request("GET", path, {**UPGRADE, **(headers or {})})

    async def send(self, data: str | bytes) -> None:
        await self.write(frame(TEXT, data.encode()) if isinstance(data, str) else frame(BINARY, data))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        with suppress(ConnectionError):  # a server that has closed first need not wait for the answer
            await self.write(frame(CLOSE, struct.pack("!H", code) + reason.encode()))

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: its opcode and what it carries."""
        first, second = await self.exactly(2)
        length = second & 127
        if length > 125:
            length = int.from_bytes(await self.exactly(2 if length == 126 else 8))
        return first & 15, await self.exactly(length)

    async def closed(self) -> Closed | None:
        """The close frame, however much comes before it; ``None`` if the connection ends without one."""
        try:
            while True:
                opcode, payload = await self.frame()
                if opcode == CLOSE:
                    return Closed(int.from_bytes(payload[:2]) if payload else None, payload[2:].decode())
        except EOFError:
            return None


UPGRADE = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}


def frame(opcode: int, payload: bytes, *, last: bool = True) -> bytes:
    """One masked frame, as clients must send them (RFC 6455 5.2)."""
    length = len(payload)
    head = bytes([opcode | (128 if last else 0)])
    if length < 126:
        head += bytes([128 | length])
    elif length < 65536:
        head += bytes([128 | 126]) + length.to_bytes(2)
    else:
        head += bytes([128 | 127]) + length.to_bytes(8)
    mask = os.urandom(4)
    repeated = (mask * (length // 4 + 1))[:length]
    return head + mask + (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(length)


async def wire_to(port: int, path: str, headers: Mapping[str, str] | None = None, *, receive_buffer: int | None = None) -> Wire:
    """An open WebSocket on a bare connection."""
    wire = await Wire.connect(port, receive_buffer=receive_buffer)
    answer = await wire.upgrade(path, headers)
    if answer.status != 101:
        wire.drop()
        raise AssertionError(f"the handshake for {path} was answered {answer.status}")
    return wire
