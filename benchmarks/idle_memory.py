"""What an open, idle WebSocket costs in the server's memory, as a ratio to a hand-written ASGI function on the same server.

    python -m benchmarks.idle_memory [--sockets 5000] [--rounds 3]

Each measure is a fresh uvicorn process; growth of its resident memory between 200 warm-up sockets and the last one, divided by
their number. The rounds are interleaved and the median counts. The limit is 1.10.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from shallot import build_server, standard_not_found, websocket, ws_send
from shallot.middlewares import apply_middleware, wrap_routes
from tests.live.servers import serve

LIMIT = 1.10
WARM_UP = 200
HANDSHAKE = (
    b"GET /echo HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def by_hand(scope: Any, receive: Any, send: Any) -> None:
    """The least that a WebSocket can be."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})


@websocket
async def echo(scope: Any, receiver: Any) -> Any:
    async for message in receiver:
        yield ws_send(message)


bare = build_server(echo)
routed = build_server(apply_middleware(wrap_routes([("/echo", ["WS"], echo)]))(standard_not_found))

WORKS = ("by_hand", "bare", "routed")


def measure(work: str, sockets: int) -> float:
    """Bytes of resident memory for each idle socket."""
    with tempfile.TemporaryDirectory() as folder, serve("uvicorn", f"benchmarks.idle_memory:{work}", Path(folder) / "log") as server:
        held = [_open(server.port) for _ in range(WARM_UP)]
        before = _resident(server.process.pid)
        held += [_open(server.port) for _ in range(sockets)]
        grown = _resident(server.process.pid) - before
        for each in held:
            each.close()
    return grown / sockets


def _open(port: int) -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port), timeout=10)
    opened.sendall(HANDSHAKE)
    answer = opened.recv(4096)
    if not answer.startswith(b"HTTP/1.1 101"):
        raise SystemExit(f"the handshake was answered {answer!r}")
    return opened


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def main() -> int:
    parser = argparse.ArgumentParser(description="Memory of an idle WebSocket, relative to hand-written ASGI.")
    parser.add_argument("--sockets", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    figures: dict[str, list[float]] = {work: [] for work in WORKS}
    for _ in range(options.rounds):
        for work in WORKS:
            figures[work].append(measure(work, options.sockets))
    base = median(figures["by_hand"])
    for work in WORKS:
        print(f"{work:8} {median(figures[work]):8.0f} bytes a socket   {median(figures[work]) / base:.3f}")
    return 0 if max(median(figures[work]) for work in WORKS) <= LIMIT * base else 1


if __name__ == "__main__":
    sys.exit(main())
