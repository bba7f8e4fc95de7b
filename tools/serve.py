"""Serve the showcase on the loopback: what ``make run`` runs. Ctrl-C ends it."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import uvicorn

HOST, FIRST_PORT, PORTS = "127.0.0.1", 8000, 100
ROOT = Path(__file__).resolve().parent.parent


def listen() -> socket.socket:
    """A listening socket on the first free port. Bound here, so that nobody can take the port between looking and serving."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(128)
            return listener
        except OSError:
            listener.close()
    sys.exit(f"no free port on {HOST} between {FIRST_PORT} and {FIRST_PORT + PORTS - 1}")


class Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if sockets and not self.should_exit:
            port = sockets[0].getsockname()[1]
            print(f"shallot showcase: http://{HOST}:{port}/  (open it in two windows; Ctrl-C ends it)", flush=True)


def main() -> None:
    sys.path.insert(0, str(ROOT))
    listener = listen()
    try:
        Server(uvicorn.Config("examples.showcase.app:app", log_level="warning", timeout_graceful_shutdown=5)).run(sockets=[listener])
    except KeyboardInterrupt:
        print("\nbye")


if __name__ == "__main__":
    main()
