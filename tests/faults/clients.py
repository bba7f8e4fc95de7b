"""Clients of the fault matrix, on bare sockets: one that is good, and one for each fault of a client, at each stage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import quote

from tests.live.wire import TEXT, UPGRADE, Wire, frame

from .cells import Cell
from .room import PAUSE_S, PEERS

__all__ = ["visit"]

PATIENCE_S = 6.0
DRIP_S = 0.004
DEAF_S, DEAF_IN_A_YIELD_S = 1.0, 2.5
"""How long a client that reads slowly reads nothing: less than ``idle_s``; and, where the room sends without end, much more than ``send_s``."""

Until = Callable[[str], Awaitable[None]]
"""Waits until the room has noted something."""


def head(cell: Cell, key: str) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"host": "127.0.0.1", **UPGRADE}.items())
    room = "last" if cell.stage == "at shutdown" else "room"
    return f"GET /{room}/{key}?stage={quote(cell.stage)}&fault={quote(cell.fault)} HTTP/1.1\r\n{lines}\r\n".encode()


async def visit(port: int, cell: Cell, key: str, until: Until) -> str:
    """What the client was told in the end; ``gone`` where it left by itself."""
    wire = await Wire.connect(port, receive_buffer=4096 if cell.fault == "slow read" else None)
    leaves = LEAVES.get(cell.fault)
    try:
        async with asyncio.timeout(PATIENCE_S):
            if leaves:
                await _until_it_leaves(wire, cell, key, until)
                with suppress(OSError):  # the server may have been quicker
                    leaves(wire)
                if cell.fault == "half-close":
                    with suppress(ConnectionError, EOFError):
                        await wire.rest()
                return "gone"
            return await _stay(wire, cell, key)
    except TimeoutError:
        return "silence"
    except (OSError, EOFError):
        return "cut"
    finally:
        wire.drop()


LEAVES: dict[str, Callable[[Wire], None]] = {
    "reset": Wire.reset,
    "half-close": Wire.half_close,
    "silent send": Wire.reset,
    "OSError from send": Wire.reset,
}
"""The last two: what a server's ``send`` does for an app that goes on sending is what these faults are."""


async def _stay(wire: Wire, cell: Cell, key: str) -> str:
    """A client that means well, but reads or writes slowly at the stage of its fault."""
    reads, writes = ((lambda stage, fault=fault: cell == (fault, stage)) for fault in ("slow read", "slow write"))

    async def say(data: bytes, slowly: bool) -> None:
        for piece in [data[at : at + 1] for at in range(len(data))] if slowly else [data]:
            await wire.write(piece)
            if slowly:
                await asyncio.sleep(DRIP_S)

    async def listen(stage: str) -> None:
        if reads(stage):
            await asyncio.sleep(DEAF_IN_A_YIELD_S if stage == "in a yield" else DEAF_S)

    await say(head(cell, key), writes("connect") or writes("accept"))
    await listen("connect")
    await listen("accept")
    answer = await wire.answer()
    if answer.status != 101:
        return f"answered {answer.status}"
    await wire.frame()
    await say(frame(TEXT, b"first"), writes("first message"))
    for stage in ("first message", "in a yield", "in a wait", "in a hook", "at close"):
        await listen(stage)
    if cell.stage != "at shutdown":
        with suppress(ConnectionError):  # it may have closed by now
            await say(frame(TEXT, b"bye"), cell.fault == "slow write")
    if reads("at shutdown"):
        await asyncio.sleep(DEAF_S)
    closed = await wire.closed()
    if closed is None:
        return "cut"
    with suppress(ConnectionError):
        await say(frame(8, b"" if closed.code is None else closed.code.to_bytes(2)), cell.fault == "slow write")
    return f"closed {closed.code}"


async def _until_it_leaves(wire: Wire, cell: Cell, key: str, until: Until) -> None:
    """As far as the stage; the room tells when it is there."""
    ask, first = head(cell, key), frame(TEXT, b"first")
    sends_on = cell.fault not in PEERS
    if cell.stage == "connect" and not sends_on:
        await wire.write(ask[: len(ask) // 2])
        return
    await wire.write(ask)
    if cell.stage in ("connect", "accept"):
        await until(f"at {cell.stage}")
        return
    await wire.answer()
    await wire.frame()
    if cell.stage == "first message" and not sends_on:
        await wire.write(first[:3])
        return
    await wire.write(first)
    if cell.stage == "at shutdown":
        await until("leave now")
    elif cell.stage == "at close":  # in the middle of the handshake of closing, or before a close that the app still has to send
        await wire.write(b"" if sends_on else frame(8, (1000).to_bytes(2)))
    else:
        if cell.stage == "in a hook":
            await wire.closed()
            await wire.close(4000)
        await until(f"at {cell.stage}")
        if cell.stage == "in a yield":
            await asyncio.sleep(PAUSE_S)
