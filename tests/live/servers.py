"""The servers we promise to run on, as a table, and how one is started, asked and ended. Knows nothing of what they serve."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
START_S = 30.0
STOP_S = 15.0


class Kind(NamedTuple):
    """One way of serving an ASGI app: ``command`` with ``{app}`` and ``{port}`` to fill in."""

    family: str
    command: str

    def arguments(self, app: str, port: int) -> list[str]:
        return [sys.executable, "-m", *self.command.format(app=app, port=port).split()]


_UVICORN = "uvicorn {app} --host 127.0.0.1 --port {port} --no-access-log --timeout-graceful-shutdown 3"

KINDS: Mapping[str, Kind] = {
    "uvicorn": Kind("uvicorn", f"{_UVICORN} --http httptools --ws websockets-sansio --loop uvloop"),
    "uvicorn-h11-wsproto": Kind("uvicorn", f"{_UVICORN} --http h11 --ws wsproto --loop asyncio"),
    "uvicorn-legacy": Kind("uvicorn", f"{_UVICORN} --http httptools --ws websockets --loop asyncio"),
    "hypercorn": Kind("hypercorn", "hypercorn {app} --bind 127.0.0.1:{port} --worker-class asyncio"),
    "granian": Kind("granian", "granian {app} --interface asgi --host 127.0.0.1 --port {port} --workers 1 --loop uvloop"),
}
"""uvicorn's first row is what ``uvicorn[standard]`` chooses by itself."""


@dataclass
class Server:
    name: str
    port: int
    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def family(self) -> str:
        return KINDS[self.name].family

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def terminate(self) -> int:
        """SIGTERM, and the exit code once the process is gone; what is left after ``STOP_S`` is killed and an error."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} was still running {STOP_S} s after SIGTERM; its log ends:\n{self.log[-3000:]}") from None


@contextmanager
def serve(name: str, app: str, log_path: Path, *, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    """The server ``name`` with ``app`` (``"module:attribute"``), answering on a free port; ended, with all of its own processes, on leaving."""
    port = _free_port()
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            KINDS[name].arguments(app, port),
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(name, port, process, log_path)
    try:
        _wait_until_ready(server)
        yield server
        if process.poll() is None:
            server.terminate()
    finally:
        _kill_group(process)


def _free_port() -> int:
    """A port that nobody listens on, below those that the kernel hands to clients: nobody gets it before the server does."""
    for port in random.sample(range(15000, 32000), 50):
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port between 15000 and 32000")


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise AssertionError(f"{server.name} ended with {server.process.returncode} instead of starting; its log:\n{server.log}")
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{server.name} took more than {START_S} s to start; its log:\n{server.log}")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # all of them are gone already
    process.wait()
