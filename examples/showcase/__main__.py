"""Serve the showcase on 127.0.0.1: port 8000, or the next free one. Ctrl-C ends it. ``make run`` runs this."""

from __future__ import annotations

import socket
from contextlib import suppress

import uvicorn

from .app import app, routes

HOST = "127.0.0.1"
PORTS = range(8000, 8100)


def listen() -> socket.socket:
    """A listening socket on the first free port: bound here, so that nobody takes the port between looking and serving."""
    for port in PORTS:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(128)
        except OSError:
            listener.close()
        else:
            return listener
    raise SystemExit(f"no free port on {HOST} from {PORTS[0]} to {PORTS[-1]}; stop what holds one of them and try again")


def main() -> None:
    listener = listen()
    address = f"{HOST}:{listener.getsockname()[1]}"
    print(f"shallot showcase: http://{address}/  (open it in two windows; Ctrl-C ends it)")
    for path, methods, _, data in routes:
        url = f"{'ws' if 'WS' in methods else 'http'}://{address}{path}"
        print(f"  {url:<40} {data['summary']}", flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
    with suppress(KeyboardInterrupt):  # uvicorn raises it once more when all is closed
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
