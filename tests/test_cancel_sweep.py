"""Every piece of work of ours is cancelled at each of its awaits, in four ways (J1): it ends cancelled, leaves nothing, and what it worked on goes on working.

The scenes stand in tests/sweeps/. ``make sweep`` prints how many awaits each has.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.sweeps.points import HARDEST, LoopPool, Sweep, Way, points_of
from tests.sweeps.scenes import IN_THREADS, SCENES


@pytest.mark.parametrize("way", HARDEST)
@pytest.mark.parametrize("name", SCENES)
def test_J1_cancelled_at_every_await(name: str, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shallot.threads.ThreadPoolExecutor", LoopPool)
    for busy in (False, True) if name in IN_THREADS else (False,):
        monkeypatch.setattr(LoopPool, "busy", busy)
        struck, bad = points_of(SCENES[name], way)
        assert not bad, "\n".join(bad[:20])
        assert struck


def test_a_leak_is_found() -> None:
    """Two of each kind that the sweep must see: a swallowed cancellation, and what is left behind."""

    async def swallows(sweep: Sweep) -> None:
        async def work() -> None:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                pass

        await sweep(work())

    async def leaves_a_task(sweep: Sweep) -> None:
        async def work() -> None:
            task = asyncio.create_task(asyncio.sleep(100))
            await asyncio.sleep(1)
            task.cancel()

        await sweep(work())

    assert points_of(swallows, "while it waits") == (1, ["await 0: its cancellation was swallowed: it ended with None"])
    assert points_of(leaves_a_task, "while it waits") == (1, ["await 0: task left: sleep", "await 0: timer left: _set_result_unless_cancelled"])
