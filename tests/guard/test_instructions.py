"""No work of the benchmarks may cost more instructions than it did. Counted, not timed: the same on a busy machine and a quiet one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from benchmarks.guard import TOLERANCE, baseline, build, measure
from benchmarks.works import WORKS

CURE = "look for what was added to every request or message; if it must be, store the new cost: python -m benchmarks.guard --store"


@pytest.fixture(scope="module")
def costs() -> Mapping[str, float]:
    if not baseline():
        pytest.skip(f"no baseline for Python {build()}: python -m benchmarks.guard --store")
    return measure()


@pytest.mark.needs("valgrind")
@pytest.mark.parametrize("work", WORKS)
def test_costs_no_more_than_before(work: str, costs: Mapping[str, float]):
    before = baseline()[work]
    assert costs[work] <= before * (1 + TOLERANCE), f"{work}: {costs[work]:.3f} times the hand-written function's instructions, {before:.3f} before; {CURE}"
