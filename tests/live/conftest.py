"""One server of each kind for the whole run: tests are grouped by it, so that one is alive at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from .servers import KINDS, Server, serve

_numbers = count(1)

_LEAK_TELLTALES = ("was never awaited", "never retrieved", "Task was destroyed", "asynchronous generator is already running", "ResourceWarning")


@pytest.fixture(scope="session", params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with ``tests/live/app.py``. What Python itself complained of in its log fails the run."""
    log_path: Path = tmp_path_factory.mktemp(request.param) / "log"
    with serve(request.param, "tests.live.app:app", log_path) as running:
        yield running
    complaints = [line for line in log_path.read_text(errors="replace").splitlines() if any(telltale in line for telltale in _LEAK_TELLTALES)]
    assert not complaints, f"{request.param} logged: {complaints}"


@pytest.fixture
def key() -> str:
    """A name for what this test does: the app files its observations under it."""
    return f"k{next(_numbers)}"
