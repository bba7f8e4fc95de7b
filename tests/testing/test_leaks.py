"""What is left behind is seen, and swept."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
from typing import Any

import pytest

from shallot.testing import Unexpected
from shallot.testing.leaks import errors_logged, generators_started, held, leaving_nothing, left_behind, sweep


async def count():
    yield 1
    yield 2


def step(generator) -> None:
    with pytest.raises(StopIteration):
        generator.asend(None).send(None)


@pytest.mark.leaks
def test_generators_are_seen_and_the_hooks_put_back() -> None:
    seen: list[object] = []
    before = sys.get_asyncgen_hooks()
    for outer in (None, seen.append):
        sys.set_asyncgen_hooks(firstiter=outer)
        generator = count()
        with generators_started() as started:
            step(generator)
        assert list(started.alive) == [generator] and started.suspended() == ["count"]
        with pytest.raises(StopIteration):
            generator.aclose().send(None)
    assert seen == [generator]
    sys.set_asyncgen_hooks(*before)


def test_errors_of_ours_are_noted_and_go_no_further(caplog) -> None:
    found: list[str] = []
    with errors_logged(found):
        logging.getLogger("shallot.websocket").error("plain")
        try:
            raise KeyError("mine")
        except KeyError:
            logging.getLogger("shallot").exception("with a cause")
        logging.getLogger("shallot").warning("no error")
        logging.getLogger("other").error("not ours")
    assert found == ["logged: plain", "logged: with a cause (KeyError('mine'))"]
    assert [record.getMessage() for record in caplog.records] == ["not ours"]
    logging.getLogger("shallot").error("after")
    assert caplog.records[-1].getMessage() == "after"


@pytest.mark.leaks
@pytest.mark.parametrize("inner", [True, False])
def test_what_the_collector_finds_is_seen_and_passed_on(inner: bool) -> None:
    passed_on: list[object] = []
    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(finalizer=(lambda generator: passed_on.append(generator.__qualname__)) if inner else None)
    with generators_started() as started:
        step(count())
        gc.collect()
    assert started.collected == ["count"] and passed_on == ["count"] * inner
    sys.set_asyncgen_hooks(*before)


async def forget_a_task() -> None:
    kept.append(asyncio.get_running_loop().create_task(asyncio.sleep(60)))


async def forget_a_generator() -> None:
    async for _ in count():
        break


async def suspend_a_generator() -> None:
    kept.append(count())
    await anext(kept[-1])


async def forget_nothing() -> None:
    assert [number async for number in count()] == [1, 2]
    asyncio.get_running_loop().create_task(asyncio.sleep(0)).cancel()


kept: list[Any] = []


@pytest.mark.leaks
@pytest.mark.parametrize(
    "test, message",
    [
        (forget_a_task, r"tasks left running: \['sleep'\]"),
        (forget_a_generator, r"to the garbage collector: \['count'\]"),
        (suspend_a_generator, r"suspended: \['count'\]"),
    ],
)
async def test_leaving_something_fails(test: Any, message: str) -> None:
    with pytest.raises(Unexpected, match=message):
        await leaving_nothing(test)()
    for thing in kept:
        await thing.aclose() if hasattr(thing, "aclose") else thing.cancel()
    kept.clear()


async def test_leaving_nothing_passes() -> None:
    await leaving_nothing(forget_nothing)()


@pytest.mark.leaks
def test_threads_and_files(monkeypatch: pytest.MonkeyPatch) -> None:
    before = held()
    assert left_behind(before) == ""
    end = threading.Event()
    thread = threading.Thread(target=end.wait, args=(30,), name="waiter")
    thread.start()
    assert left_behind(before, patience_s=0.001) == "threads left running: ['waiter']"
    end.set()
    assert left_behind(before) == ""
    with open("/etc/passwd") as opened:
        assert left_behind(before) == "files left open: ['/etc/passwd']"
        monkeypatch.setattr("os.path.isdir", lambda path: False)
        assert opened.fileno() and held().files == {}


@pytest.mark.leaks
def test_sweep_ends_what_can_be_ended_and_gives_up_the_rest() -> None:
    ended: list[str] = []

    async def good() -> None:
        try:
            await asyncio.sleep(10**6)
        finally:
            ended.append("good")

    async def deaf() -> None:
        while True:
            try:
                await asyncio.sleep(10**6)
            except asyncio.CancelledError:
                ended.append("deaf")

    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(good()), loop.create_task(deaf())]
    loop.run_until_complete(asyncio.sleep(0))
    sweep(loop, patience_s=0.001)
    assert ended.count("good") == 1 and ended.count("deaf") > 1
    assert tasks[0].cancelled() and not tasks[1].done()
    loop.close()


def test_sweep_where_nothing_is_left() -> None:
    loop = asyncio.new_event_loop()
    sweep(loop)
    loop.close()
