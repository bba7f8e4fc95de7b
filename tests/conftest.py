"""What every test needs, and what it must leave behind: nothing. No task, no async generator, no thread, no file (``shallot.testing.plugin``)."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["shallot.testing.plugin"]

TESTS = Path(__file__).parent
PACKAGES = {"chromium": "chromium", "curl": "curl", "nats-server": "nats-server", "postgres": "postgresql"}
PACKAGES |= {"redis-server": "redis-server", "valgrind": "valgrind"}
"""System commands that tests need (``pytest.mark.needs``) -> the Debian package that has it."""

SEARCH = os.pathsep.join([os.environ["PATH"], *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))])
"""Debian keeps PostgreSQL's commands off the path."""


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The times of the timers that loops are asked for in this test."""
    times: list[Any] = []
    call_at = asyncio.BaseEventLoop.call_at

    def counted(loop: Any, when: float, *args: Any, **keywords: Any) -> asyncio.TimerHandle:
        times.append(when)
        return call_at(loop, when, *args, **keywords)

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_at", counted)
    return times


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for command in marker.args:
            need(command)


def need(command: str) -> None:
    """Skip the running test, or fail it under CI, unless the system has ``command``."""
    if shutil.which(command, path=SEARCH) is None:
        reason = f"needs {command}: sudo apt-get install {PACKAGES[command]}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Live tests are not measured: the unit tests alone cover every line."""
    coverage = _running_coverage() if TESTS / "live" in item.path.parents else None
    if coverage is None:
        return (yield)
    coverage.stop()
    try:
        return (yield)
    finally:
        coverage.start()


def _running_coverage() -> Any:
    coverage = sys.modules.get("coverage")
    return coverage and coverage.Coverage.current()
