"""What a server does instead of what the row says, as data: nothing is skipped, every deviation is an expectation with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .servers import Server


class Instead(NamedTuple):
    value: Any
    reason: str


NO_CODE = "a connection that ends without a close frame is told as 1005 (no status) where RFC 6455 7.1.5 says 1006"
AS_THE_RFC = "no deviation: this implementation of uvicorn's says 1006, unlike its others"
NO_REASON = "the client's close reason is not passed on"
ALWAYS_1006 = "the client's close code and reason are not passed on: every leaving is told as 1006"

DEVIATIONS: Mapping[tuple[str, str], Instead] = {
    ("told fin", "uvicorn"): Instead("1005 ''", NO_CODE),
    ("told reset", "uvicorn"): Instead("1005 ''", NO_CODE),
    ("told fin", "uvicorn-legacy"): Instead("1006 ''", AS_THE_RFC),
    ("told reset", "uvicorn-legacy"): Instead("1006 ''", AS_THE_RFC),
    ("told close", "hypercorn"): Instead("1006 ''", ALWAYS_1006),
    ("told 1000", "hypercorn"): Instead("1006 ''", ALWAYS_1006),
    ("told close", "granian"): Instead("4001 ''", NO_REASON),
    ("told fin", "granian"): Instead("1005 ''", NO_CODE),
    ("told reset", "granian"): Instead("1005 ''", NO_CODE),
    ("accept headers", "granian"): Instead({"x-layer": "", "x-from-accept": "", "set-cookie": ""}, "headers of websocket.accept are not sent"),
    ("length and chunks", "granian"): Instead(200, "content-length is taken away beside transfer-encoding before the app can see both"),
    ("speaks too early", "hypercorn"): Instead(1, "data before the answer to the handshake: the app is never told that this client left"),
    ("a stream keeps it from ending", "granian"): Instead(True, "SIGTERM waits for open responses without a limit, and the app is not told"),
    ("shutdown codes", "granian"): Instead({None: 50}, "connections are cut before the app hears of the shutdown"),
    ("shutdown by", "granian"): Instead({"client", "server"}, "some conversations hear of the cut connection before lifespan tells of the shutdown"),
    ("crash at shutdown", "granian"): Instead(
        "panicked at",
        "with open sockets its worker may crash (pyo3: cannot drop pointer into Python heap); raw ASGI apps are not told either",
    ),
}
"""By row and by server: its name, or its family for all of one kind."""


def expected(row: str, server: Server, default: Any) -> Any:
    """What ``row`` expects of ``server``."""
    for which in (server.name, server.family):
        if (row, which) in DEVIATIONS:
            return DEVIATIONS[row, which].value
    return default


_TOLD = {"close": "4001 'so long'", "1000": "1000 ''", "fin": "1006 ''", "reset": "1006 ''"}


def told(server: Server, how: str) -> str:
    """The code and reason that ``server`` tells the app when the client left with a close frame (4001, 1000), a FIN or a RST."""
    text: str = expected(f"told {how}", server, _TOLD[how])
    return text
