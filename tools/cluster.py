"""Serve the showcase twice, behind one Redis: what ``make run-cluster`` runs. Kill either server, and the page goes on at the other. Ctrl-C ends all."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

HOST, FIRST_PORT, PORTS, SERVERS = "127.0.0.1", 8000, 200, 2
ROOT = Path(__file__).resolve().parent.parent
START_S, STOP_S = 20.0, 10.0
ENDINGS = signal.SIGINT, signal.SIGTERM


def free_ports(count: int) -> list[int]:
    """The first ports that nobody listens on."""
    found: list[int] = []
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as candidate:
            try:
                candidate.bind((HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    sys.exit(f"not {count} free ports on {HOST} between {FIRST_PORT} and {FIRST_PORT + PORTS - 1}")


@contextmanager
def running(name: str, command: list[str], port: int, *, environ: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own session, so that Ctrl-C reaches us alone; answering on ``port``, and ended at the end."""
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(environ or {})}, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        until = time.monotonic() + START_S
        while not answers(port):
            if process.poll() is not None or time.monotonic() > until:
                sys.exit(f"{name} does not start; see above")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def main() -> None:
    redis = shutil.which("redis-server") or sys.exit("run-cluster needs redis-server: sudo apt-get install redis-server")
    for ending in ENDINGS:  # SIGINT too: a shell has what it starts in the background ignore that
        signal.signal(ending, signal.default_int_handler)
    redis_port, *ports = free_ports(1 + SERVERS)[::-1]
    peers = sorted(f"http://{HOST}:{port}" for port in ports)
    environ = {"REDIS_URL": f"redis://{HOST}:{redis_port}", "SHOWCASE_PEERS": " ".join(peers)}
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="showcase-"))
            stack.enter_context(
                running(
                    "redis-server",
                    [redis, "--bind", HOST, "--port", str(redis_port), "--dir", folder, "--save", "", "--logfile", f"{folder}/redis.log"],
                    redis_port,
                )
            )
            servers: dict[str, subprocess.Popen[bytes]] = {}
            for peer in peers:
                port = int(peer.rpartition(":")[2])
                command = [sys.executable, "-m", "uvicorn", "examples.showcase.app:app", "--host", HOST, "--port", str(port)]
                options = ["--log-level", "warning", "--timeout-graceful-shutdown", "3"]
                servers[peer] = stack.enter_context(running(peer, [*command, *options], port, environ=environ))
            print(f"shallot showcase, {len(servers)} processes behind Redis on port {redis_port} (Ctrl-C ends all):")
            for peer, process in servers.items():
                print(f"  {peer}/  process {process.pid}")
            print(f"Open both, talk, then: kill -9 {servers[peers[0]].pid}", flush=True)
            watch(servers)
        except KeyboardInterrupt:
            for ending in ENDINGS:  # all is ending; a second Ctrl-C would leave something behind
                signal.signal(ending, signal.SIG_IGN)
            print("\nbye", flush=True)


def watch(servers: dict[str, subprocess.Popen[bytes]]) -> None:
    """Say which server has ended, until none is left."""
    while servers:
        for peer, process in list(servers.items()):
            if process.poll() is not None:
                del servers[peer]
                print(f"{peer} is gone; {'the page goes on at ' + ', '.join(servers) if servers else 'and it was the last'}", flush=True)
        time.sleep(0.2)


if __name__ == "__main__":
    main()
