"""CPU time of one framework beside the hand-written function, in this process.

    python -m benchmarks.timing FRAMEWORK WORK ROUNDS    ->   JSON: the ratio of each round, and microseconds
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Awaitable, Callable
from statistics import median
from time import process_time

import uvloop

from .exchange import running
from .works import WORKS

__all__ = ["measure"]

ROUND_S = 0.02
"""CPU time of one side of a round: short, so that both sides see the same weather."""


async def measure(framework: str, name: str, rounds: int) -> dict[str, object]:
    """Rounds of raw/framework/raw/framework. A ratio above a half means: less than twice the hand-written function's time."""
    per_call = WORKS[name].per_call
    async with running("raw", name) as raw, running(framework, name) as other:
        raw_times, times = await _calls_in_a_round(raw.call), await _calls_in_a_round(other.call)
        gc.collect()
        gc.freeze()
        pairs = [(await _timed(raw.call, raw_times), await _timed(other.call, times)) for _ in range(rounds)]
    return {
        "ratios": [round(by_hand / theirs, 4) for by_hand, theirs in pairs],
        "raw_us": 1e6 * median(by_hand for by_hand, _ in pairs) / per_call,
        "us": 1e6 * median(theirs for _, theirs in pairs) / per_call,
    }


async def _timed(call: Callable[[int], Awaitable[None]], times: int) -> float:
    """Seconds of CPU for one call."""
    began = process_time()
    await call(times)
    return (process_time() - began) / times


async def _calls_in_a_round(call: Callable[[int], Awaitable[None]]) -> int:
    times = 1
    while (took := await _timed(call, times) * times) < ROUND_S / 4:
        times *= 2
    return max(1, round(times * ROUND_S / took))


def main() -> None:
    framework, name, rounds = sys.argv[1:]
    print(json.dumps(uvloop.run(measure(framework, name, int(rounds)))))


if __name__ == "__main__":
    main()
