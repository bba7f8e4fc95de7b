"""A pytest plugin: a test that leaves a task, an async generator, a thread or an open file behind fails.

``pytest_plugins = ["shallot.testing.plugin"]`` in the top ``conftest.py`` loads it, or ``-p shallot.testing.plugin``. ``@pytest.mark.leaks`` excuses a test.
Coroutine tests are looked at whoever runs them: pytest-asyncio, anyio's plugin, hypothesis.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Generator
from typing import Any

import pytest

from .leaks import Held, held, leaving_nothing, left_behind

__all__ = ["pytest_configure", "pytest_pyfunc_call", "pytest_runtest_call", "pytest_runtest_teardown"]

BEFORE = pytest.StashKey[Held]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "leaks: leaves something behind on purpose; not looked at")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Asynchronous tests: look for tasks and generators before their loop is closed, which would hide them."""
    if isinstance(item, pytest.Function) and not item.get_closest_marker("leaks"):
        inner = getattr(getattr(item.obj, "hypothesis", None), "inner_test", None)
        if inspect.iscoroutinefunction(inner):
            item.obj.hypothesis.inner_test = leaving_nothing(inner)
        elif inspect.iscoroutinefunction(item.obj):
            item.obj = leaving_nothing(item.obj)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """After all set-up, before the test's own code. (The loop that pytest-asyncio keeps for the test is there already, and gone at teardown.)"""
    pyfuncitem.stash[BEFORE] = held()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """All tests: look for threads and files after the fixtures have gone, and before pytest's capturing puts its own back (hence ``trylast``)."""
    result = yield
    before = item.stash.get(BEFORE, None)
    if before is not None and not item.get_closest_marker("leaks"):
        if held().files - before.files:
            gc.collect()
        if left := left_behind(before):
            pytest.fail(left, pytrace=False)
    return result
