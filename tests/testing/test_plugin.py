"""The plugin's hooks, called as pytest calls them. What they find in whole runs is in ``tests/test_conftest.py``."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.testing import plugin
from shallot.testing.leaks import held


async def plain() -> None: ...


@given(st.integers())
async def with_hypothesis(number: int) -> None: ...


def blocking() -> None: ...


def item_of(request: pytest.FixtureRequest, test: Any, *markers: str) -> Any:
    item = pytest.Function.from_parent(request.node.parent, name="made", callobj=test)
    for marker in markers:
        item.add_marker(marker)
    return item


def step(hook: Any) -> None:
    next(hook)
    with pytest.raises(StopIteration):
        hook.send(None)


@pytest.mark.parametrize("markers, is_wrapped", [((), True), (("leaks",), False)])
def test_coroutine_tests_are_wrapped(request: pytest.FixtureRequest, markers: tuple[str, ...], is_wrapped: bool) -> None:
    item = item_of(request, plain, *markers)
    step(plugin.pytest_runtest_call(item))
    assert (item.obj is not plain) == is_wrapped


def test_of_hypothesis_the_inner_test_is_wrapped(request: pytest.FixtureRequest) -> None:
    inner = with_hypothesis.hypothesis.inner_test  # type: ignore[attr-defined]
    step(plugin.pytest_runtest_call(item_of(request, with_hypothesis)))
    assert with_hypothesis.hypothesis.inner_test.__wrapped__ is inner  # type: ignore[attr-defined]


def test_other_tests_are_left_alone(request: pytest.FixtureRequest) -> None:
    item = item_of(request, blocking)
    step(plugin.pytest_runtest_call(item))
    assert item.obj is blocking


@pytest.mark.leaks
@pytest.mark.parametrize("markers, fails", [((), True), (("leaks",), False)])
def test_a_file_that_is_left_open(request: pytest.FixtureRequest, markers: tuple[str, ...], fails: bool) -> None:
    item = item_of(request, blocking, *markers)
    plugin.pytest_pyfunc_call(item)
    number = os.open("/etc/passwd", os.O_RDONLY)
    hook = plugin.pytest_runtest_teardown(item)
    next(hook)
    with pytest.raises(pytest.fail.Exception if fails else StopIteration):
        hook.send(None)
    os.close(number)


def test_nothing_left_and_a_test_that_never_began(request: pytest.FixtureRequest) -> None:
    item = item_of(request, blocking)
    step(plugin.pytest_runtest_teardown(item))
    item.stash[plugin.BEFORE] = held()
    step(plugin.pytest_runtest_teardown(item))
