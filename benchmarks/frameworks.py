"""Who is measured, and how a process of its own is started for each. Knows neither works nor clocks."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["BROKERS", "FRAMEWORKS", "MEASURED", "PEERS", "ROOMS", "ROOT", "child", "circumstances", "environment"]

ROOT = Path(__file__).parents[1]
EARLIER = ROOT / "benchmarks" / ".venv" / "earlier"
"""A folder with the earlier package of our name, 1.0.0: 2.0.0 drops the values of a route's tags."""

PEERS = ("blacksheep", "falcon", "starlette", "litestar", "fastapi", "quart", "earlier")
FRAMEWORKS = ("ours", *PEERS)
MEASURED = ("shallot", *PEERS[:-1], "msgspec", "orjson", "uvloop", "uvicorn", "granian", "hypercorn")
ROOMS = ("shallot", "litestar", "starlette", "broadcaster", "python-socketio", "channels", "channels-redis", "django", "uvloop", "uvicorn", "granian", "picows")
BROKERS = ("shallot", "redis", "nats-py", "asyncpg", "uvloop")


def environment(framework: str) -> dict[str, str]:
    """Ours comes from this tree (``SHALLOT_SRC``: from another), the earlier one from its folder."""
    source = EARLIER if framework == "earlier" else Path(os.environ.get("SHALLOT_SRC", ROOT / "src"))
    return {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}"}


def child(module: str, *arguments: object, framework: str = "ours", under: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Any:
    """What ``python -m module arguments`` prints as JSON, in a process that ends. ``under``: a command that runs it."""
    command = [*under, sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env={**environment(framework), **(environ or {})}, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def circumstances(measured: Sequence[str] = MEASURED) -> dict[str, Any]:
    """Date, machine and versions: what a figure needs to mean anything."""
    return {
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": {**{name: _version(name) for name in measured}, **({"earlier": "1.0.0"} if measured is MEASURED else {})},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
