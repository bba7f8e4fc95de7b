"""What is left behind is seen, and swept."""

from __future__ import annotations

import asyncio
import logging
import sys

import pytest

from shallot.testing.leaks import errors_logged, generators_started, sweep


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
        assert started == [generator]
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
