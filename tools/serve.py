"""Serve the showcase on the loopback: what ``make run`` runs. Ctrl-C ends it."""

from __future__ import annotations

import socket
import sys
from importlib import import_module
from pathlib import Path

import uvicorn

HOST, FIRST_PORT, PORTS = "127.0.0.1", 8000, 100
ROOT = Path(__file__).resolve().parent.parent
APP = "examples.showcase.app"


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
    """Prints the addresses once they can be opened."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if sockets and not self.should_exit:
            address = f"{HOST}:{sockets[0].getsockname()[1]}"
            print(f"shallot showcase: http://{address}/  (open it in two windows; Ctrl-C ends it)")
            for path, methods, _, data in import_module(APP).routes:
                scheme = "ws" if "WS" in methods else "http"
                print(f"  {f'{scheme}://{address}{path}':<40} {data['summary']}")
            sys.stdout.flush()


def main() -> None:
    sys.path.insert(0, str(ROOT))
    listener = listen()
    try:
        Server(uvicorn.Config(f"{APP}:app", log_level="warning", timeout_graceful_shutdown=5)).run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn raises it once more when all is closed
        print("\nbye")


if __name__ == "__main__":
    main()
