"""One server of each kind for the whole run: tests are grouped by it, so that one is alive at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest

from .servers import KINDS, Server, serve
from .wire import Answer, Wire, wire_to

_numbers = count(1)

_COMPLAINTS = ("was never awaited", "never retrieved", "Task was destroyed", "asynchronous generator is already running", "ResourceWarning")


@dataclass(frozen=True)
class Live:
    """A server that serves ``tests/live/app.py``, and the key under which the app files what this test makes it do."""

    server: Server
    key: str

    async def wire(self, room: str, headers: Mapping[str, str] | None = None, *, receive_buffer: int | None = None) -> Wire:
        """An open conversation with ``room``; a query or further segments may follow its name after ``?`` or ``/``."""
        return await wire_to(self.server.port, self.path(room), headers, receive_buffer=receive_buffer)

    async def http(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        async with await Wire.connect(self.server.port) as wire:
            return await wire.request(method, path, headers, body)

    def path(self, room: str) -> str:
        """``"door?answer=401"`` is ``"/door/k1?answer=401"``, ``"tight/show"`` is ``"/tight/show/k1"``, ``"raises:first"`` is ``"/raises/k1/first"``."""
        name, _, query = room.partition("?")
        name, _, stage = name.partition(":")
        return f"/{name}/{self.key}" + (f"/{stage}" if stage else "") + (f"?{query}" if query else "")

    async def seen(self, mark: str, *, seconds: float = 6) -> list[str]:
        """What the app wrote down, as soon as there is a line that begins with ``mark``."""
        answer = await self.http("GET", f"/seen/{self.key}?mark={quote(mark)}&seconds={seconds}")
        lines: list[str] = json.loads(answer.body)
        assert any(line.startswith(mark) for line in lines), (
            f"{self.server.name}: no {mark!r} within {seconds} s, only {lines}; its log ends:\n{self.server.log[-3000:]}"
        )
        return lines

    async def go(self) -> None:
        """Open the gate for which a handler waits."""
        await self.http("POST", f"/open/{self.key}")

    async def gauges(self) -> dict[str, int]:
        gauges: dict[str, int] = json.loads((await self.http("GET", "/gauges")).body)
        return gauges

    async def settled(self, most: Mapping[str, int], *, seconds: float = 8) -> None:
        """Wait until no gauge is above ``most``: what was started has ended. Asked on one connection, for those count too."""
        async with await Wire.connect(self.server.port) as wire:
            for _ in range(int(seconds / 0.05)):
                now = json.loads((await wire.request("GET", "/gauges")).body)
                if over := {gauge: now[gauge] for gauge in most if now[gauge] > most[gauge]}:
                    await asyncio.sleep(0.05)
                else:
                    return
        raise AssertionError(f"{self.server.name}: after {seconds} s still {over}, not {most}")


@pytest.fixture(scope="session", params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What Python itself complained of in the server's log fails the run."""
    log_path: Path = tmp_path_factory.mktemp(request.param) / "log"
    with serve(request.param, "tests.live.app:app", log_path) as running:
        yield running
    complaints = [line for line in log_path.read_text(errors="replace").splitlines() if any(complaint in line for complaint in _COMPLAINTS)]
    assert not complaints, f"{request.param} logged: {complaints}"


@pytest.fixture
def live(server: Server) -> Live:
    return Live(server, f"k{next(_numbers)}")
