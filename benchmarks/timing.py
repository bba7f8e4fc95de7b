"""CPU time in process: each framework beside the hand-written function, in a process of their own.

The child, ``python -m benchmarks.timing FRAMEWORK WORK ROUNDS``, prints the ratio of each round and microseconds as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from statistics import median, quantiles
from time import process_time
from typing import Any

import uvloop

from .exchange import running
from .frameworks import FRAMEWORKS, child
from .works import WORKS

__all__ = ["measure_all"]

ROUND_S = 0.02
"""CPU time of one side of a round: short, so that both sides see the same weather."""


def measure_all(*, quick: bool) -> dict[str, dict[str, Any]]:
    """By work and framework: ``ratio`` (median), ``quartiles``, ``us`` and ``raw_us``. Several processes each, since a process has its luck too."""
    rounds, processes = (7, 1) if quick else (15, 5)
    found: dict[str, dict[str, list[Any]]] = {name: {framework: [] for framework in FRAMEWORKS} for name in WORKS}
    for _ in range(processes):
        for name in WORKS:
            for framework in FRAMEWORKS:
                found[name][framework].append(child("benchmarks.timing", framework, name, rounds, framework=framework))
    return {name: {framework: _summary(runs) for framework, runs in row.items()} for name, row in found.items()}


def _summary(runs: Sequence[Any]) -> dict[str, Any]:
    lower, middle, upper = quantiles([ratio for run in runs for ratio in run["ratios"]], n=4)
    us, raw_us = (round(median(run[key] for run in runs), 3) for key in ("us", "raw_us"))
    return {"ratio": round(middle, 3), "quartiles": [round(lower, 3), round(upper, 3)], "us": us, "raw_us": raw_us}


# ---- in the child


async def measure(framework: str, name: str, rounds: int) -> dict[str, Any]:
    """Rounds of raw, framework, raw, framework. A ratio above a half means: less than twice the hand-written function's time."""
    per_call = WORKS[name].per_call
    async with running("raw", name) as raw, running(framework, name) as other:
        raw_times, times = await _calls_in_a_round(raw.call), await _calls_in_a_round(other.call)
        gc.collect()
        gc.freeze()  # what was imported is no cost of a request
        pairs = [(await timed(raw.call, raw_times), await timed(other.call, times)) for _ in range(rounds)]
    return {
        "ratios": [round(by_hand / theirs, 4) for by_hand, theirs in pairs],
        "raw_us": 1e6 * median(by_hand for by_hand, _ in pairs) / per_call,
        "us": 1e6 * median(theirs for _, theirs in pairs) / per_call,
    }


async def timed(call: Callable[[int], Awaitable[None]], times: int) -> float:
    """Seconds of CPU for one call."""
    began = process_time()
    await call(times)
    return (process_time() - began) / times


async def _calls_in_a_round(call: Callable[[int], Awaitable[None]]) -> int:
    times = 1
    while (took := await timed(call, times) * times) < ROUND_S / 4:
        times *= 2
    return max(1, round(times * ROUND_S / took))


def main() -> None:
    framework, name, rounds = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(measure(framework, name, int(rounds)))))


if __name__ == "__main__":
    main()
