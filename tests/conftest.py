"""What every test must leave behind: nothing. No task, no async generator, no thread, no file descriptor."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import shutil
import sys
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest

TESTS = Path(__file__).parent
PACKAGES = {"chromium": "chromium", "curl": "curl", "redis-server": "redis-server", "valgrind": "valgrind"}
"""System commands that tests need (``pytest.mark.needs``) -> the Debian package that has it."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for command in marker.args:
            need(command)


def need(command: str) -> None:
    """Skip the running test, or fail it under CI, unless the system has ``command``."""
    if shutil.which(command) is None:
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
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
    pyfuncitem.stash[BEFORE] = (_threads(), _files())


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """All tests: look for threads and files after the fixtures have gone, and before pytest's capturing puts its own back (hence ``trylast``)."""
    result = yield
    before = item.stash.get(BEFORE, None)
    if before is None or item.get_closest_marker("leaks"):
        return result
    threads, files = before
    if left := [thread.name for thread in _threads() - threads if _runs_on(thread)]:
        pytest.fail(f"threads left running: {left}", pytrace=False)
    if _files() - files:
        gc.collect()
        if left := sorted(_files() - files):
            pytest.fail(f"files left open: {left}", pytrace=False)
    return result


BEFORE = pytest.StashKey[tuple[set[threading.Thread], Counter[str]]]()


def leaving_nothing(test: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """``test``, failing where it leaves a task running or an async generator suspended, or lets the garbage collector close one."""

    @wraps(test)
    async def run(*args: Any, **keywords: Any) -> None:
        started: WeakSet[AsyncGenerator[Any, Any]] = WeakSet()
        collected: list[str] = []
        tasks = asyncio.all_tasks()
        hooks = sys.get_asyncgen_hooks()

        def first_step(generator: AsyncGenerator[Any, Any]) -> None:
            started.add(generator)
            if hooks.firstiter:
                hooks.firstiter(generator)

        def last_step(generator: AsyncGenerator[Any, Any]) -> None:
            collected.append(generator.__qualname__)
            if hooks.finalizer:
                hooks.finalizer(generator)

        sys.set_asyncgen_hooks(first_step, last_step)
        try:
            await test(*args, **keywords)
        finally:
            sys.set_asyncgen_hooks(*hooks)
        await asyncio.sleep(0)  # for a task that has just been told to end
        if collected:
            pytest.fail(f"async generators left to the garbage collector: {collected}; close them (aclosing)", pytrace=False)
        if left := [repr(task.get_coro()) for task in asyncio.all_tasks() - tasks]:
            pytest.fail(f"tasks left running: {left}", pytrace=False)
        if suspended := [generator.__qualname__ for generator in started if generator.ag_frame is not None]:
            pytest.fail(f"async generators left suspended: {suspended}; close them (aclosing)", pytrace=False)

    return run


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.daemon}


def _runs_on(thread: threading.Thread) -> bool:
    """A pool that was shut down without waiting has told its threads to end; each gets a moment to do so."""
    thread.join(1)
    return thread.is_alive()


def _files() -> Counter[str]:
    """What the open file descriptors are; nothing where the system does not tell."""
    files: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        with suppress(FileNotFoundError):  # the descriptor of this listing itself
            files[os.readlink(f"/proc/self/fd/{number}")] += 1
    return files


def _running_coverage() -> Any:
    coverage = sys.modules.get("coverage")
    return coverage and coverage.Coverage.current()
