"""Measure, print, store. ``make bench`` runs it in the virtual environment of the peers.

    python -m benchmarks [--quick] [STAGE ...]

Stages: timing, instructions, servers, growth, memory, fanout, latency, steps; all without one. ``--quick`` takes a tenth of the time and stores nothing.
``report`` only writes the pages in docs/topics anew from what is stored.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from . import fanout, growth, instructions, latency, servers, steps, timing
from .frameworks import FRAMEWORKS, ROOT, environment
from .report import show, store, write_pages


def measure_memory(*, quick: bool) -> dict[str, dict[str, float]]:
    options = ["--sockets", "1000", "--rounds", "1"] if quick else []
    command = [sys.executable, "-m", "benchmarks.idle_memory", *options]
    done = subprocess.run(command, cwd=ROOT, env=environment("ours"), stdout=subprocess.PIPE, text=True)  # it fails beyond its limit: a figure all the same
    rows = re.findall(r"^(\w+) +(\d+) bytes a socket +([0-9.]+)", done.stdout, re.MULTILINE)
    return {name: {"bytes": int(size), "relative": float(relative)} for name, size, relative in rows}


STAGES: Mapping[str, Callable[..., Any]] = {
    "timing": timing.measure_all,
    "instructions": lambda *, quick: instructions.count_all(["raw", "ours"] if quick else ["raw", *FRAMEWORKS]),
    "servers": servers.measure_all,
    "growth": growth.measure_all,
    "memory": measure_memory,
    "fanout": fanout.measure_all,
    "latency": latency.measure_all,
    "steps": steps.measure_all,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure shallot beside its peers and a hand-written function.")
    parser.add_argument("stages", nargs="*", choices=[*STAGES, "report", []], metavar="STAGE", help=", ".join([*STAGES, "report"]))
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, nothing stored")
    options = parser.parse_args()
    for stage in options.stages or STAGES:
        if stage in STAGES:
            figures = STAGES[stage](quick=options.quick)
            print(show(stage, figures), end="\n\n", flush=True)
            if not options.quick:
                store(stage, figures)
    if not options.quick:
        write_pages()


if __name__ == "__main__":
    main()
