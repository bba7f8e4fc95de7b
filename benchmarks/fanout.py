"""Many sockets hear what one says: deliveries for each second of the server's CPU, beside a hand-written loop over sockets.

Each message goes out in a frame of its own, one message at a time and in bursts (twenty under way: enough that a batch has something to join);
ours also in batches. Every socket's messages are checked: all of them, once, in order. A framework that loses one has no figure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tests.live.brokers import Redis
from tests.live.servers import Server, serve

from .frameworks import ROOT, environment
from .servers import LOAD_CORE, SERVER_CORE

__all__ = ["CASTS", "SCENES", "TITLES", "WINDOWS", "measure_all"]


class Cast(NamedTuple):
    """An application, how it is set up, and how it is spoken to."""

    app: str
    environ: Mapping[str, str] = {}
    dialect: str = "plain"


CASTS: Mapping[str, Cast] = {
    "raw": Cast("raw"),
    "queues": Cast("queues"),
    "ours": Cast("ours"),
    "batched": Cast("ours", {"BATCH": "100"}),
    "litestar": Cast("litestar"),
    "broadcaster": Cast("starlette"),
    "socketio": Cast("socketio", dialect="socketio"),
    "django": Cast("django"),
}
TITLES = {
    "raw": "by hand",
    "queues": "by hand, a queue for each",
    "ours": "ours",
    "batched": "ours, `batch=100`",
    "litestar": "litestar channels",
    "broadcaster": "starlette + broadcaster",
    "socketio": "python-socketio",
    "django": "django channels",
}
PATIENCE_S = 200
STUCK_SIZE = "32000"
"""Of the messages beside a stuck reader: so many bytes that what the kernel holds for it is soon full."""
WINDOWS = {"one at a time": 1, "in bursts of 20": 20}


class Scene(NamedTuple):
    """Where and how often it is played."""

    server: str
    sockets: int
    seconds: float
    rounds: int
    through_redis: bool = False


SCENES: Mapping[str, Scene] = {
    "uvicorn, 1,000 sockets": Scene("uvicorn", 1000, 2.5, 3),
    "granian, 1,000 sockets": Scene("granian", 1000, 2.5, 3),
    "uvicorn, 10,000 sockets": Scene("uvicorn", 10_000, 5, 1),
    "granian, 10,000 sockets": Scene("granian", 10_000, 5, 1),
    "uvicorn, 1,000 sockets, through Redis": Scene("uvicorn", 1000, 2.5, 2, through_redis=True),
}


def measure_all(*, quick: bool) -> dict[str, Any]:
    """By scene and cast: figures by window, or the complaint. ``stuck``: delays beside a reader that has stopped to read."""
    if quick:
        return {"scenes": {"uvicorn, 1,000 sockets": _measure(Scene("uvicorn", 1000, 1, 1), "")}}
    with Redis() as redis:
        scenes = {name: _measure(scene, redis.url if scene.through_redis else "") for name, scene in SCENES.items()}
    return {"scenes": scenes, "stuck": _measure_stuck(seconds=4, rounds=3)}


def _measure(scene: Scene, broker: str) -> dict[str, Any]:
    runs: dict[str, list[list[dict[str, float]]]] = {}
    complaints: dict[str, str] = {}
    for _ in range(scene.rounds):
        for name in [name for name in CASTS if name not in complaints]:
            try:
                # by hand there is nothing that reaches another process: it stays the measure
                runs.setdefault(name, []).append(play(scene.server, CASTS[name], scene.sockets, scene.seconds, {"BROKER": "" if name == "raw" else broker}))
            except RuntimeError as error:
                complaints[name] = str(error)
                print(f"{scene}, {name}: {error}", file=sys.stderr, flush=True)
    return {name: {"complaint": complaints[name]} if name in complaints else _summary(runs[name], runs["raw"]) for name in CASTS}


def _summary(runs: Sequence[Any], by_hand: Sequence[Any]) -> dict[str, Any]:
    """Of rounds: medians, and the median ratio of deliveries for a second of CPU to the hand-written loop's in the same round, in the same window."""
    found: dict[str, Any] = {}
    for index, window in enumerate(WINDOWS):
        rows, bases = [run[index] for run in runs], [run[index] for run in by_hand]
        found[window] = {
            "per_cpu_s": round(median(_rate(row) for row in rows)),
            "ratio": round(median(_rate(row) / _rate(base) for row, base in zip(rows, bases, strict=True)), 3),
            **{key: round(median(row[key] for row in rows), 3) for key in ("share", "p50", "p99")},
        }
    return found


def _rate(row: Mapping[str, float]) -> float:
    return row["deliveries"] / max(row["cpu_s"], 0.01)


def _measure_stuck(*, seconds: float, rounds: int) -> dict[str, Any]:
    """Delays of 1,000 readers, without and with one more that has stopped to read."""
    found: dict[str, Any] = {}
    for name in ("ours", "raw"):
        pairs: list[Any] = []
        try:
            for _ in range(rounds):
                pairs.append([play("uvicorn", CASTS[name], 1000, seconds, {"STUCK": stuck, "SIZE": STUCK_SIZE}) for stuck in ("", "1")])
        except RuntimeError as error:
            found[name] = {"complaint": str(error)}
            continue
        for index, window in enumerate(WINDOWS):
            without, beside = ([pair[side][index] for pair in pairs] for side in (0, 1))
            found.setdefault(name, {})[window] = {
                "without": round(median(row["p99"] for row in without), 2),
                "beside": round(median(row["p99"] for row in beside), 2),
                "ratio": round(median(slow["p99"] / free["p99"] for slow, free in zip(beside, without, strict=True)), 3),
            }
    return found


def play(server: str, cast: Cast, sockets: int, seconds: float, environ: Mapping[str, str]) -> list[dict[str, float]]:
    """One run: a fresh server, all sockets, each window. ``RuntimeError`` says what went wrong."""
    with _serving(server, cast, environ) as served:
        command = ["taskset", "-c", str(LOAD_CORE), sys.executable, "-m", "benchmarks.fanout_clients", served.port, sockets, seconds, cast.dialect]
        try:
            done = subprocess.run(
                [*map(str, command), *map(str, WINDOWS.values())],
                cwd=ROOT,
                env={**environment("ours"), **environ, "SERVER": str(served.process.pid)},
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"was not done in {PATIENCE_S} s") from None
        if done.returncode:
            raise RuntimeError(f"{done.stderr.strip().splitlines()[-1:]} {served.log[-300:]}" if "Traceback" in done.stderr else done.stderr.strip()[-300:])
        figures: list[dict[str, float]] = json.loads(done.stdout)
        return figures


@contextmanager
def _serving(server: str, cast: Cast, environ: Mapping[str, str]) -> Iterator[Server]:
    everywhere = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as folder:
        os.sched_setaffinity(0, {SERVER_CORE})  # what is started now inherits it
        given = {"PYTHONPATH": environment("ours")["PYTHONPATH"], **cast.environ, **environ}
        with serve(server, f"benchmarks.fanout_apps.{cast.app}:app", Path(folder) / "log", environ=given) as served:
            os.sched_setaffinity(0, everywhere)
            yield served
