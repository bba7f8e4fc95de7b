"""Every piece of work of ours is cancelled at each of its awaits, in four ways (J1): it ends cancelled, leaves nothing, and what it worked on goes on working.

The scenes stand in tests/sweeps/. ``pytest tests/test_cancel_sweep.py -s`` prints how many awaits each has.
"""

from __future__ import annotations

import pytest

from tests.sweeps.http import HTTP
from tests.sweeps.points import HARDEST, LoopPool, Way, points_of

SCENES = {**HTTP}
IN_THREADS = ("a_plain_function_in_a_thread", "a_file", "a_file_that_the_server_sends", "ranges_of_a_static_file", "a_form_with_a_file")


@pytest.mark.parametrize("way", HARDEST)
@pytest.mark.parametrize("name", SCENES)
def test_J1_cancelled_at_every_await(name: str, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shallot.threads.ThreadPoolExecutor", LoopPool)
    for busy in (False, True) if name in IN_THREADS else (False,):
        monkeypatch.setattr(LoopPool, "busy", busy)
        struck, bad = points_of(SCENES[name], way)
        assert not bad, "\n".join(bad[:20])
        assert struck >= 3
        print(f"{name.replace('_', ' ')}, {way}{', all threads busy' if busy else ''}: {struck} awaits")
