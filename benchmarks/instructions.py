"""Instructions of the processor, counted by valgrind: the second opinion, which is the same on a busy machine and a quiet one.

The child, ``python -m benchmarks.instructions FRAMEWORK ...`` under callgrind, does each work between two calls of ``getloadavg``,
a function of libc that nobody else calls; callgrind writes down its count at each.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import uvloop

from .exchange import running
from .frameworks import child
from .works import SHELVES, WORKS

__all__ = ["TIMES", "count", "count_all"]

TIMES: Mapping[str, int] = {"hello": 100, "routed": 100, "post": 60, "message": 4, "connect": 100}
"""Calls of each work that are counted. More change the third digit, not the second."""

MARK = "getloadavg"


def count_all(frameworks: Sequence[str]) -> dict[str, dict[str, int]]:
    """By work and framework: instructions for one unit of work."""
    counted = {framework: count([framework])[framework] for framework in frameworks}
    return {name: {framework: row[name] for framework, row in counted.items()} for name in WORKS}


def count(frameworks: Sequence[str]) -> dict[str, dict[str, int]]:
    """By framework and work. All in one process; ``RuntimeError`` without valgrind."""
    if shutil.which("valgrind") is None:
        raise RuntimeError("counting instructions needs valgrind: sudo apt-get install valgrind")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = ["valgrind", "-q", "--tool=callgrind", f"--dump-before={MARK}", f"--callgrind-out-file={out}"]
        done: list[Any] = child("benchmarks.instructions", *frameworks, framework=frameworks[0], under=command, environ={"PYTHONHASHSEED": "0"})
        totals = [_total(path) for path in sorted(out.parent.glob("out.*"), key=lambda path: int(path.suffix[1:]))]
    if len(totals) != 2 * len(done):
        raise RuntimeError(f"callgrind saw {len(totals)} calls of {MARK}, expected {2 * len(done)}; is it another function on this system?")
    counted: dict[str, dict[str, int]] = {framework: {} for framework in frameworks}
    for (framework, name, units), total in zip(done, totals[1::2], strict=True):
        counted[framework][name] = round(total / units)
    return counted


def _total(path: Path) -> int:
    found = re.search(r"^totals: (\d+)", path.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


# ---- in the child


async def work_through(frameworks: Sequence[str]) -> list[tuple[str, str, int]]:
    """Each framework, each work: who did what, in the order of the marks, and how many units of it."""
    done: list[tuple[str, str, int]] = []
    for framework in frameworks:
        for name, work in WORKS.items():
            async with running(framework, name, SHELVES) as caller:
                gc.collect()
                os.getloadavg()
                await caller.call(TIMES[name])
                os.getloadavg()
            done.append((framework, name, TIMES[name] * work.per_call))
    return done


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(work_through(sys.argv[1:]))))


if __name__ == "__main__":
    main()
