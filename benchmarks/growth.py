"""What things cost by themselves: more routes, one middleware more, the import, the start.

The child, ``python -m benchmarks.growth routes | middlewares ROUNDS``, prints microseconds as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from statistics import median
from typing import Any

import uvloop

from shallot import build_server, middlewares, standard_not_found, websocket, ws_send
from shallot.middlewares import apply_middleware, wrap_routes
from shallot.response import text

from .exchange import Caller
from .frameworks import FRAMEWORKS, ROOT, child, environment
from .timing import timed
from .works import WORKS, Work

__all__ = ["measure_all"]

ROWS = (10, 100, 1_000, 10_000)
CALLS = 500
HOST = "shop.example.com"
"""As the works name it."""


def measure_all(*, quick: bool) -> dict[str, Any]:
    """``routes``: us by number of rows; ``middlewares``: us more than without; ``starting``: CPU ms by framework, to import it and to build hello."""
    rounds = 7 if quick else 41
    return {
        "routes": child("benchmarks.growth", "routes", rounds),
        "middlewares": child("benchmarks.growth", "middlewares", rounds),
        "starting": {framework: _starting(framework, 3 if quick else 11) for framework in ("raw", *FRAMEWORKS)},
    }


def _starting(framework: str, rounds: int) -> dict[str, float]:
    """CPU milliseconds of a Python that imports the framework and builds hello's application, above one that does nothing."""
    build = f"from benchmarks.apps import {framework}; {framework}.hello()"
    pairs = [(_cpu_ms("pass", framework), _cpu_ms(build, framework)) for _ in range(rounds)]
    return {"ms": round(median(built - empty for empty, built in pairs), 1)}


def _cpu_ms(code: str, framework: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(framework), check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


# ---- in the child


async def greet(request: Any, *params: Any) -> Any:
    return text("hello")


@websocket
async def converse(scope: Any, receiver: Any, *params: Any) -> Any:
    async for message in receiver:
        yield ws_send(message)


async def routes(rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds of a request and of a connection, by the number of rows in the table. Every path has a tag."""
    http, sockets = WORKS["routed"], WORKS["connect"]
    calls: dict[str, dict[str, Callable[[int], Any]]] = {"request": {}, "connection": {}}
    for rows in ROWS:
        table = [(f"/shelves/{row}/items/{{number:int}}", [method], greet if method == "GET" else converse) for row in range(rows) for method in ("GET", "WS")]
        app = build_server(apply_middleware(wrap_routes(table))(standard_not_found))
        paths = [f"/shelves/{row * rows // 200 % rows}/items/{row}" for row in range(200)]
        calls["request"][str(rows)] = Caller(app, _asking(http, paths)).call
        calls["connection"][str(rows)] = Caller(app, _asking(sockets, paths)).call
    return {kind: await _compared(row, rounds) for kind, row in calls.items()}


def _asking(work: Work, paths: Sequence[str]) -> Work:
    return work._replace(scopes=[{**work.scopes[0], "path": path, "raw_path": path.encode()} for path in paths])


async def alone(rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds that each middleware adds by itself to the routed work's request, and to a message of a conversation; 0.0 where it is not asked."""
    request = WORKS["routed"]._replace(scopes=[{**scope, "scheme": "https"} for scope in WORKS["routed"].scopes[:200]], right=_greeted)
    message = WORKS["message"]._replace(scopes=[{**scope, "scheme": "wss"} for scope in WORKS["message"].scopes])
    logging.getLogger("shallot.access").addHandler(logging.NullHandler())
    logging.getLogger("shallot.access").setLevel(logging.INFO)
    logging.getLogger("shallot.access").propagate = False
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        piles = {"": [], **_piles(folder)}
        defaults = {name: {**getattr(middlewares, name), **own} for name, own in DEFAULTS.items()}
        for work, handler, method in ((request, greet, "GET"), (message, converse, "WS")):
            rows = [("/{rest:path}", [method], handler)]
            apps = {name: build_server(apply_middleware(*pile)(handler)) for name, pile in piles.items()}
            if method == "GET":
                apps |= {name: build_server(middlewares.wrap_defaults(config, rows)(standard_not_found)) for name, config in defaults.items()}
            callers = {name: Caller(app, work) for name, app in apps.items()}
            for name, caller in callers.items():
                try:
                    await caller.check(1)
                except SystemExit as error:
                    raise SystemExit(f"{name}: {str(error)[:300]}") from None
            us = await _compared({name: caller.call for name, caller in callers.items()}, rounds, CALLS // work.per_call)
            for name in us:
                if name:
                    more = us[name] - us[OUTSIDE.get(name, "")]
                    found.setdefault(name, {})[method] = round(more / work.per_call, 3)
    return found


def _greeted(scope: Any, answer: Sequence[Any]) -> bool:
    return answer[0]["status"] == 200 and answer[1]["body"] == b"hello"


PLENTY = "1000000000/second"
SESSION = {"keys": ["a key of thirty-two bytes, or more"]}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {"api_defaults": {"hosts": [HOST]}, "site_defaults": {"hosts": [HOST], "session": SESSION}}
"""The two whole shelves, and what an application must say for itself."""
OUTSIDE = {"wrap_csrf": "wrap_session", "wrap_flash": "wrap_session"}
"""What cannot stand alone, and the one that stands around it: its cost is not counted."""


def _piles(folder: str) -> Mapping[str, Sequence[Any]]:
    """Each middleware with the options that it cannot do without; those that are missing here need none. One that is skipped is said so."""
    needed: Mapping[str, Callable[[Any], Any]] = {
        "wrap_auth": lambda wrap: wrap(lambda request: "somebody"),
        "wrap_hosts": lambda wrap: wrap([HOST]),
        "wrap_metrics": lambda wrap: wrap(import_module("prometheus_client").CollectorRegistry()),
        "wrap_proxy": lambda wrap: wrap(1),
        "wrap_rate_limit": lambda wrap: wrap(PLENTY, messages=PLENTY),
        "wrap_routes": lambda wrap: wrap(
            [(f"/shop/shelf{shelf:02}/items/{{number:int}}", ["GET"], greet) for shelf in range(100)] + [("/talk", ["WS"], converse)]
        ),
        "wrap_session": lambda wrap: wrap(**SESSION),
        "wrap_static": lambda wrap: wrap(folder),
        "wrap_transcript": lambda wrap: wrap(lambda line: None),
    }
    piles: dict[str, Sequence[Any]] = {}
    for name in sorted(middlewares.__all__, key=lambda name: name in OUTSIDE):
        if name.startswith("wrap_") and name != "wrap_defaults":
            try:
                wrap = getattr(middlewares, name)
                around = piles.get(OUTSIDE.get(name, ""), [])
                piles[name] = [*around, needed.get(name, lambda wrap: wrap())(wrap)]
            except (TypeError, ValueError, ImportError) as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
    return piles


async def _compared(calls: Mapping[str, Callable[[int], Any]], rounds: int, times: int = CALLS) -> dict[str, float]:
    """Microseconds of a call, by name: the median over rounds that take turns."""
    gc.collect()
    gc.freeze()
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(1e6 * await timed(call, times))
    return {name: round(median(each), 3) for name, each in found.items()}


def main() -> None:
    what, rounds = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run({"routes": routes, "middlewares": alone}[what](int(rounds)))))


if __name__ == "__main__":
    main()
