"""What a call costs: for tests which show that it grows no faster than what is read."""

from __future__ import annotations

import time
from collections.abc import Callable


def cpu_seconds(call: Callable[[], object], attempts: int = 5) -> float:
    """The processor time of the fastest of several calls: what disturbed the others is none of theirs."""
    taken = []
    for _ in range(attempts):
        began = time.process_time()
        call()
        taken.append(time.process_time() - began)
    return min(taken)
