"""The guard against slow decay: what each work costs in instructions, relative to the hand-written function, compared with what it cost before.

    python -m benchmarks.guard            compares
    python -m benchmarks.guard --store    takes the present cost as the new baseline: say in the commit why it rose, or how it fell

The ratio of two counts from one process depends on no clock and no neighbour, but a little on how Python was built: each build has a row of its own.
"""

from __future__ import annotations

import json
import platform
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from .instructions import count
from .works import WORKS

__all__ = ["TOLERANCE", "baseline", "build", "measure"]

STORE = Path(__file__).with_name("guard.json")
TOLERANCE = 0.03
"""How much more a work may cost before somebody has to look: an import or another hash order moves the count by less than one in a hundred."""


def build() -> str:
    """``3.11 x86_64 optimized``: what the ratio depends on."""
    optimized = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return f"{sys.version_info.major}.{sys.version_info.minor} {platform.machine()} {'optimized' if optimized else 'plain'}"


def baseline() -> Mapping[str, float]:
    """Cost by work, relative to the hand-written function; empty where nobody has stored it for this build of Python."""
    stored: dict[str, dict[str, float]] = json.loads(STORE.read_text()) if STORE.exists() else {}
    return stored.get(build(), {})


def measure() -> dict[str, float]:
    """How many times the hand-written function's instructions each work costs now. Takes about 15 seconds."""
    counted = count(["raw", "ours"])
    return {name: round(counted["ours"][name] / counted["raw"][name], 3) for name in WORKS}


def main() -> None:
    found, before = measure(), baseline()
    for name, cost in found.items():
        was = f"{before[name]:.3f} before, {cost / before[name] - 1:+.1%}" if name in before else "nothing stored"
        print(f"{name:8} {cost:.3f} times the hand-written function's instructions ({was})")
    if "--store" in sys.argv:
        stored = json.loads(STORE.read_text()) if STORE.exists() else {}
        STORE.write_text(json.dumps({**stored, build(): found}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
