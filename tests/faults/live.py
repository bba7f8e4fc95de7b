"""The matrix on a real server: all cells at the same time, and those of the shutdown at its shutdown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.live.servers import KINDS, serve
from tests.live.wire import Wire

from .cells import Cell, Result, judge
from .clients import visit
from .room import OURS, PEERS, STAGES

__all__ = ["AFTERWARDS", "cells_of", "play_live"]

AFTERWARDS = Cell("all of them", "afterwards")
"""No task and no generator is left of any, and Python complained of nothing."""

AT_ONCE = 30
ENDS_S = 8.0
COMPLAINTS = ("was never awaited", "never retrieved", "Task was destroyed", "asynchronous generator is already running", "ResourceWarning")
"""What Python itself says in a server's log of tasks and coroutines that nobody cared for."""
GAUGES = ("ours", "generators")
"""Tasks and generators. Not the sockets: hypercorn keeps those of clients that closed only their half."""
_SENDS: Mapping[str, str] = {"uvicorn": "OSError from send", "hypercorn": "silent send", "granian": "silent send"}
"""What ``send`` does on each server once the client has left."""


def cells_of(server: str) -> list[Cell]:
    """Those that this server can show; the others are played in process."""
    return [Cell(fault, stage) for fault in (*OURS, *PEERS, _SENDS[KINDS[server].family]) for stage in STAGES]


async def play_live(server: str, folder: Path) -> Mapping[Cell, Result]:
    journal = folder / "journal"
    journal.touch()
    told: dict[Cell, str] = {}
    room = asyncio.Semaphore(AT_ONCE)
    leave_now = asyncio.Event()

    def lines_of(key: str) -> list[str]:
        return [line.removeprefix(f"{key} ") for line in journal.read_text().splitlines() if line.startswith(f"{key} ")]

    async def until(key: str, mark: str) -> None:
        if mark == "leave now":
            await leave_now.wait()
        else:
            await _eventually(lambda: any(line.startswith(mark) for line in lines_of(key)), f"{mark!r} of {key}")

    async def play(cell: Cell, key: str) -> None:
        async with room:
            told[cell] = await visit(running.port, cell, key, lambda mark: until(key, mark))

    keys = {cell: f"c{number}." for number, cell in enumerate(cells_of(server))}
    with serve(server, "tests.faults.room:app", folder / "log", environ={"LIVE_JOURNAL": str(journal), "FAULT_MATRIX": "1"}) as running:
        before = await _gauges(running.port)
        await asyncio.gather(*(play(cell, key) for cell, key in keys.items() if cell.stage != "at shutdown"))
        left = await _settled(running.port, before)
        last = {cell: key for cell, key in keys.items() if cell.stage == "at shutdown"}
        visits = [asyncio.create_task(play(cell, key)) for cell, key in last.items()]
        await _eventually(lambda: all("begin" in lines_of(key) for key in last.values()), "the conversations for the shutdown")
        await asyncio.sleep(0.2)  # until they read
        ending = asyncio.create_task(asyncio.to_thread(running.terminate))
        leave_now.set()
        await asyncio.gather(*visits)
        await ending
    crashed = "panicked at" in running.log and server == "granian"  # tests/live/conduct.py: with open sockets its worker may crash at its end
    left += [line for line in running.log.splitlines() if any(complaint in line for complaint in COMPLAINTS)]
    results = {cell: judge(cell, told[cell], lines_of(key)) for cell, key in keys.items()}
    if crashed:
        results = {cell: result if cell.stage != "at shutdown" else Result(f"{result.told} (granian crashed)", ()) for cell, result in results.items()}
    return {**results, AFTERWARDS: Result("", left)}


async def _eventually(condition: Callable[[], bool], what: str) -> None:
    for _ in range(int(ENDS_S / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited {ENDS_S:g} s for {what}")


async def _gauges(port: int) -> Mapping[str, int]:
    async with await Wire.connect(port) as wire:
        return {name: count for name, count in json.loads((await wire.request("GET", "/gauges")).body).items() if name in GAUGES}


async def _settled(port: int, before: Mapping[str, int]) -> list[str]:
    over: dict[str, int] = {}
    for _ in range(int(ENDS_S / 0.1)):
        now = await _gauges(port)
        over = {name: now[name] - count for name, count in before.items() if now[name] > count}
        if not over:
            return []
        await asyncio.sleep(0.1)
    return [f"{count} {name} more than before" for name, count in over.items()]
