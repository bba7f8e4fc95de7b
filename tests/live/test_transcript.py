"""Twenty real conversations on a real server, written down, and played again without a difference."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from .servers import KINDS, ROOT, serve

APP = "tests.live.recorded:app"
ROOMS = 4
IN_EACH = 5


async def talk(url: str, number: int) -> None:
    """One client: says things, hears the others and two beats, and ends in one of three ways."""
    async with connect(url) as ws:
        await ws.send(f"hello from {number}")
        await ws.send(bytes([number, 255]))
        heard: list[str | bytes] = []
        while not {b"\xff" + bytes([number]), "beat 2"} <= set(heard):
            heard.append(await asyncio.wait_for(ws.recv(), 20))
        if number % 3 == 0:
            await ws.send("bye")
            with pytest.raises(ConnectionClosed):
                while True:
                    await asyncio.wait_for(ws.recv(), 20)
            assert ws.close_code == 4000
        elif number % 3 == 1:
            ws.transport.abort()


def replay(path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shallot", "replay", str(path), APP, "--app-dir", str(ROOT), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)


@pytest.mark.parametrize("server", KINDS)
def test_twenty_conversations(server: str, tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    with serve(server, APP, tmp_path / "log", environ={"TRANSCRIPT": str(path)}) as running:

        async def all_of_them() -> None:
            urls = [f"{running.ws_url}/room{number % ROOMS}?token=secret" for number in range(ROOMS * IN_EACH)]
            await asyncio.gather(*(talk(url, number) for number, url in enumerate(urls)))

        asyncio.run(all_of_them())
    written = path.read_text()
    assert written.count('"kind":"open"') == 20 and "secret" not in written
    told = replay(path)
    assert (told.stdout, told.returncode) == ("20 conversations, 0 differences\n", 0), told

    tests = tmp_path / "test_night.py"
    tests.write_text(replay(path, "--pytest").stdout)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(tests), "-p", "no:cacheprovider", "--rootdir", str(tmp_path)],
        capture_output=True, text=True, timeout=60, cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin"},
    )  # fmt: skip
    assert "20 passed" in ran.stdout, ran.stdout

    path.write_text(written.replace('"text":"beat 2"', '"text":"beat 3"', 1))
    assert replay(path).returncode == 1
