"""What an open, idle WebSocket costs in the server's memory, as a ratio to a hand-written ASGI function on the same server.

    python -m benchmarks.idle_memory [--sockets 5000] [--rounds 3] [--client bare|browser]

Each measure is a fresh uvicorn process; growth of its resident memory between 200 warm-up sockets and the last one, divided by
their number. The rounds are interleaved and the median counts. The limit is 1.10. The bare client sends the fewest headers that
a handshake can have and no extension; the browser's are Chromium's, permessage-deflate among them.
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
LEAST = {"Host": "127.0.0.1", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
CLIENTS = {
    "bare": LEAST,
    "browser": {
        **LEAST,
        "Pragma": "no-cache",
        "Cache-Control": "no-cache",
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        "Origin": "http://127.0.0.1",
        "Accept-Encoding": "gzip, deflate, br, zstd",
        "Accept-Language": "en-US,en;q=0.9",
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
    },
}


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


def measure(work: str, sockets: int, client: str) -> float:
    """Bytes of resident memory for each idle socket."""
    with tempfile.TemporaryDirectory() as folder, serve("uvicorn", f"benchmarks.idle_memory:{work}", Path(folder) / "log") as server:
        held = [_open(server.port, client) for _ in range(WARM_UP)]
        before = _resident(server.process.pid)
        held += [_open(server.port, client) for _ in range(sockets)]
        grown = _resident(server.process.pid) - before
        for each in held:
            each.close()
    return grown / sockets


def _open(port: int, client: str) -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port), timeout=10)
    lines = "".join(f"{name}: {value}\r\n" for name, value in CLIENTS[client].items())
    opened.sendall(f"GET /echo HTTP/1.1\r\n{lines}\r\n".encode())
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
    parser.add_argument("--client", choices=CLIENTS, default="browser")
    options = parser.parse_args()
    figures: dict[str, list[float]] = {work: [] for work in WORKS}
    for _ in range(options.rounds):
        for work in WORKS:
            figures[work].append(measure(work, options.sockets, options.client))
    base = median(figures["by_hand"])
    for work in WORKS:
        print(f"{work:8} {median(figures[work]):8.0f} bytes a socket   {median(figures[work]) / base:.3f}")
    return 0 if max(median(figures[work]) for work in WORKS) <= LIMIT * base else 1


if __name__ == "__main__":
    sys.exit(main())
