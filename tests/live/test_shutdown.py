"""SIGTERM with open conversations of every kind: everything of ours ends, and every socket hears of it where the server still lets it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from .conduct import expected
from .servers import KINDS, Server, serve
from .wire import Wire, wire_to

ROOMS = {"echo": 20, "sends": 10, "sleeps": 10, "waits": 10}


ATTEMPTS = 8
"""At most: a server that crashes by itself at every third shutdown shows its conduct once in so many."""


class Shutdown(NamedTuple):
    server: Server
    codes: Mapping[int | None, int]
    lines: Sequence[str]
    crashed: bool


@pytest.mark.parametrize("name", KINDS)
async def test_SIGTERM_ends_fifty_conversations(name: str, tmp_path: Path) -> None:
    keys = [f"{room}-{number}" for room, many in ROOMS.items() for number in range(many)]
    for attempt in range(ATTEMPTS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        server, codes, lines, crashed = await _shut_down(name, keys, folder)
        if not crashed:
            break
    else:
        pytest.fail(f"{name} crashed at {ATTEMPTS} shutdowns")
    closes = {line.split()[0]: line.split()[-1] for line in lines if " on_close " in line}
    assert codes == expected("shutdown codes", server, {1012: 50}), server.log
    assert sorted(line.removesuffix(" finally") for line in lines if line.endswith(" finally")) == sorted(keys)
    assert sorted(closes) == sorted(keys)
    assert set(closes.values()) <= expected("shutdown by", server, {"server"})
    assert lines[-2:] == ["lifespan on_stop", "lifespan thing leaves"]


async def _shut_down(name: str, keys: Sequence[str], folder: Path) -> Shutdown:
    journal = folder / "journal"
    with serve(name, "tests.live.app:app", folder / "log", environ={"LIVE_JOURNAL": str(journal)}) as server:
        wires = [await wire_to(server.port, f"/{key.partition('-')[0]}/{key}") for key in keys]
        await _running(server.port)
        ended = asyncio.create_task(asyncio.to_thread(server.terminate))
        codes = Counter([await _close_code(wire) for wire in wires])
        await ended
    crash: str | None = expected("crash at shutdown", server, None)
    return Shutdown(server, codes, journal.read_text().splitlines(), crash is not None and crash in server.log)


@pytest.mark.parametrize("name", KINDS)
async def test_SIGTERM_closes_a_stream(name: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with serve(name, "tests.live.app:app", tmp_path / "log", environ={"LIVE_JOURNAL": str(journal)}) as server:
        async with await Wire.connect(server.port) as wire:
            await wire.write(b"GET /drips/stream HTTP/1.1\r\nhost: a\r\n\r\n")
            await wire.until(b"drip")
            ended = asyncio.create_task(asyncio.to_thread(server.terminate))
            if expected("a stream keeps it from ending", server, False):
                assert not (await asyncio.wait([ended], timeout=2))[0], server.log
            else:
                await ended
                assert "stream finally" in journal.read_text().splitlines()
        await ended


async def _running(port: int) -> None:
    """The journal of a handler that waits begins with its first line; when the last has it, all run."""
    async with await Wire.connect(port) as wire:
        for key in ("echo-19", "waits-9"):
            await wire.request("GET", f"/seen/{key}?mark=begin")


async def _close_code(wire: Wire) -> int | None:
    closed = await wire.closed()
    wire.drop()
    return closed.code if closed else None
