"""All scenes by name, and how many awaits they have: ``python -m tests.sweeps.scenes``, ``make sweep``."""

from __future__ import annotations

import sys
import time

import shallot.threads

from .http import HTTP
from .points import HARDEST, LoopPool, Scene, points_of
from .talks import TALKS
from .things import THINGS

__all__ = ["IN_THREADS", "SCENES"]

SCENES: dict[str, Scene] = {**HTTP, **TALKS, **THINGS}
IN_THREADS = ("a_plain_function_in_a_thread", "a_file", "a_file_that_the_server_sends", "ranges_of_a_static_file", "a_form_with_a_file", "a_call_in_a_thread")
"""Played with a free thread, and with none free, too."""


def main() -> int:
    shallot.threads.ThreadPoolExecutor = LoopPool  # type: ignore[misc,assignment]
    total, wrong, began = 0, 0, time.monotonic()
    print(f"{'awaits struck':45}" + "".join(f"{way:>28}" for way in HARDEST))
    for name, scene in SCENES.items():
        for LoopPool.busy in (False, True) if name in IN_THREADS else (False,):
            counts: list[int] = []
            for way in HARDEST:
                struck, bad = points_of(scene, way)
                counts.append(struck)
                wrong += len(bad)
                print(*bad, sep="\n", end="\n" if bad else "")
            total += sum(counts)
            print(f"{name.replace('_', ' ')}{', no thread free' if LoopPool.busy else '':16}"[:45].ljust(45) + "".join(f"{count:>28}" for count in counts))
    print(f"{time.strftime('%Y-%m-%d')}: {len(SCENES)} scenes, {total:,} cancellations, {wrong} not clean, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
