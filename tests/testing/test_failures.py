from __future__ import annotations

import asyncio
import types
from collections.abc import Generator
from typing import Any

from shallot.testing import Unexpected
from shallot.testing.failures import tell

SCOPE = {"type": "http", "path": "/x"}


def test_a_failure_is_one_for_every_test_runner() -> None:
    assert issubclass(Unexpected, AssertionError)


def test_nothing_was_started_and_nothing_seen() -> None:
    assert tell("waited 5 s for rain", SCOPE, None, []) == "waited 5 s for rain\nhttp /x: the app was not started\nso far: nothing"


def test_a_scope_without_a_path() -> None:
    assert tell("waited", {"type": "lifespan"}, None, []).splitlines()[1] == "lifespan: the app was not started"


def test_each_way_has_its_arrow() -> None:
    told = tell("", SCOPE, None, [("in", {"type": "a"}), ("out", {"type": "b"}), ("late", {"type": "c"})])
    assert told.splitlines()[2:] == ["so far:", "  -> {'type': 'a'}", "  <- {'type': 'b'}", "  x- {'type': 'c'}"]


def test_twenty_events_are_told_and_the_rest_counted() -> None:
    lines = tell("", SCOPE, None, [("in", {"n": n}) for n in range(23)]).splitlines()
    assert lines[3:5] == ["  ... 3 events before", "  -> {'n': 3}"]
    assert len(lines) == 24
    assert tell("", SCOPE, None, [("in", {"n": n}) for n in range(20)]).splitlines()[3] == "  -> {'n': 0}"


def test_a_long_event_is_cut() -> None:
    line = tell("", SCOPE, None, [("in", {"body": b"x" * 1000})]).splitlines()[-1]
    assert line.endswith("xxx...")
    assert len(line) == len("  -> ") + 160


async def _told(work: Any) -> str:
    task = asyncio.create_task(work)
    await asyncio.sleep(0)
    stand = tell("", SCOPE, task, []).splitlines()[1].removeprefix("http /x: ")
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
    return stand


async def outer(waiting: asyncio.Future[None]) -> None:
    await inner(waiting)


async def inner(waiting: asyncio.Future[None]) -> None:
    await waiting


@types.coroutine
def old_style(waiting: asyncio.Future[None]) -> Generator[Any, None, None]:
    yield from waiting


async def around(waiting: asyncio.Future[None]) -> None:
    await old_style(waiting)


async def broken(error: Exception) -> None:
    raise error


async def test_where_the_app_waits_is_named_from_the_outside_in() -> None:
    waiting = asyncio.get_running_loop().create_future()
    stand = await _told(outer(waiting))
    assert stand.startswith("the app waits in outer (test_failures.py:")
    assert " > inner (test_failures.py:" in stand


async def test_old_coroutines_are_looked_through() -> None:
    assert " > old_style (test_failures.py:" in await _told(around(asyncio.get_running_loop().create_future()))


async def test_what_the_app_raised_is_told() -> None:
    assert await _told(broken(ValueError("oh"))) == "the app has ended: ValueError('oh')"


async def test_the_app_has_ended() -> None:
    assert await _told(asyncio.sleep(0)) != "the app has ended"
    task = asyncio.create_task(asyncio.sleep(0))
    await task
    assert tell("", SCOPE, task, []).splitlines()[1] == "http /x: the app has ended"


async def test_the_app_was_cancelled() -> None:
    task: asyncio.Task[None] = asyncio.create_task(asyncio.sleep(0))
    task.cancel()
    await asyncio.wait({task})
    assert tell("", SCOPE, task, []).splitlines()[1] == "http /x: the app was cancelled"


async def test_a_task_that_waits_for_what_is_no_coroutine_of_python() -> None:
    async def numbers() -> Any:
        await asyncio.get_running_loop().create_future()
        yield 1

    async def read() -> None:
        async for _ in numbers():
            pass

    stand = await _told(read())
    assert stand.startswith("the app waits in read (test_failures.py:")
