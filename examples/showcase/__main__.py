"""Serve the showcase on 127.0.0.1: port 8000, or the next free one. Ctrl-C ends it."""

from __future__ import annotations

import socket
from contextlib import suppress

import uvicorn

from .app import app, routes

HOST = "127.0.0.1"
PORTS = range(8000, 8100)


def bind() -> socket.socket:
    """A socket bound to the first free port of ``PORTS``."""
    for port in PORTS:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            listener.close()
        else:
            return listener
    raise SystemExit(f"no free port from {PORTS.start} to {PORTS.stop - 1} on {HOST}; stop what holds them and try again")


def main() -> None:
    listener = bind()
    address = f"{HOST}:{listener.getsockname()[1]}"
    print(f"shallot showcase: http://{address}/  (Ctrl-C ends it)")
    for path, methods, _, data in routes:
        scheme = "ws" if "WS" in methods else "http"
        print(f"  {f'{scheme}://{address}{path}':<40} {data['summary']}", flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
    with suppress(KeyboardInterrupt):  # uvicorn raises it once more when all is closed
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
