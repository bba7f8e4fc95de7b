"""The Autobahn test suite over our echo and over a raw ASGI one: no case can tell them apart. ``make autobahn`` asks all of them and prints the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.autobahn.judges import WHY_NONE, installed
from tests.autobahn.trial import SLOW, never_of_raw, trial

from .servers import KINDS

BY = installed()


@pytest.mark.skipif(BY is None, reason=WHY_NONE)
@pytest.mark.parametrize("server", KINDS)
def test_every_verdict_is_that_of_raw_asgi(server: str, tmp_path: Path) -> None:
    """241 cases: all but six, which wait by themselves."""
    assert BY is not None
    told = trial(server, BY, tmp_path, without=SLOW)
    assert len(told.verdicts["raw"]) == len(told.verdicts["ours"]) == 241
    assert never_of_raw(server, BY, tmp_path, told) == {}
    assert told.counts("raw")["FAILED"] <= 1  # 7.1.5, on uvicorn's first row; more would mean that nothing was tried
