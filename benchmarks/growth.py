"""What things cost by themselves: more routes, one middleware more, the import, the start.

The child, ``python -m benchmarks.growth routes | middlewares ROUNDS``, prints microseconds as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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


async def alone(rounds: int) -> dict[str, float]:
    """Microseconds that each middleware adds by itself to the routed work's request."""
    routed = WORKS["routed"]
    work = routed._replace(scopes=routed.scopes[:200])
    with tempfile.TemporaryDirectory() as folder:
        piles: dict[str, Sequence[Any]] = {"": [], **{name: [build()] for name, build in _factories(folder).items()}}
        calls = {name: Caller(build_server(apply_middleware(*pile)(greet)), work).call for name, pile in piles.items()}
        found = await _compared(calls, rounds)
    return {name: round(us - found[""], 3) for name, us in found.items() if name}


def _factories(folder: str) -> Mapping[str, Callable[[], Any]]:
    """Each middleware with the options that it cannot do without; what is missing here is called without any."""
    needed: Mapping[str, Callable[[Any], Any]] = {
        "wrap_routes": lambda wrap: wrap([(f"/shop/shelf{shelf:02}/items/{{number:int}}", ["GET"], greet) for shelf in range(100)]),
        "wrap_static": lambda wrap: wrap(folder),
    }
    factories: dict[str, Callable[[], Any]] = {}
    for name in middlewares.__all__:
        wrap = getattr(middlewares, name)
        if name.startswith("wrap_"):
            factory = partial(needed.get(name, lambda wrap: wrap()), wrap)
            try:
                factory()
            except (TypeError, ImportError):
                continue  # it needs options that nobody gave it here, or an extra
            factories[name] = factory
    return factories


async def _compared(calls: Mapping[str, Callable[[int], Any]], rounds: int) -> dict[str, float]:
    """Microseconds of a call, by name: the median over rounds that take turns."""
    gc.collect()
    gc.freeze()
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(1e6 * await timed(call, CALLS))
    return {name: round(median(each), 3) for name, each in found.items()}


def main() -> None:
    what, rounds = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run({"routes": routes, "middlewares": alone}[what](int(rounds)))))


if __name__ == "__main__":
    main()
