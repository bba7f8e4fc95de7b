"""The harness itself, proved on an app without any framework."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from .servers import KINDS, serve
from .wire import Closed, Wire, wire_to


@pytest.mark.parametrize("name", KINDS)
async def test_each_server_starts_answers_and_ends(name: str, tmp_path: Path) -> None:
    with serve(name, "tests.live.raw:app", tmp_path / "log") as server:
        async with await Wire.connect(server.port) as wire:
            answer = await wire.request("GET", "/")
            assert (answer.status, answer.body, answer.complete) == (200, b"ok", True)
        async with connect(f"{server.ws_url}/") as websocket:
            await websocket.send("hi")
            assert await websocket.recv() == "hi"
        async with await wire_to(server.port, "/") as wire:
            await wire.send("x" * 70_000)
            assert await wire.frame() == (1, b"x" * 70_000)
            await wire.close(1000)
            assert await wire.closed() == Closed(1000, "")
        assert server.terminate() in (0, -signal.SIGTERM), server.log  # uvicorn raises the signal again when it is done


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no_such_module"), serve("uvicorn", "no_such_module:app", tmp_path / "log"):
        pass
