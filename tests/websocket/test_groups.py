"""What is thrown into work is noted, and what a TaskGroup forgets is taken back; which that is, test_task_groups shows."""

from __future__ import annotations

import asyncio

import pytest

from shallot.task_groups import FORGETS
from shallot.testing import virtual_time
from shallot.websocket.groups import Cancellable, noting

from ..failing_groups import fail, left_in_time


async def left_with_another():
    async with asyncio.TaskGroup() as group:
        group.create_task(fail(1))
        group.create_task(asyncio.sleep(60))


async def told_of(work, tell):
    await noting(work, work.send(None), tell)


async def test_work_that_is_closed_is_closed_whole():
    seen = []

    async def work():
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("closed")

    line = told_of(work(), seen.append)
    line.send(None)
    line.close()
    assert seen == ["closed"]


@pytest.mark.skipif(not FORGETS, reason="this Python's TaskGroups forget nothing")
@virtual_time
async def test_what_a_group_forgot_is_taken_back_before_anybody_asks_and_after():
    task = asyncio.current_task()
    work = Cancellable()
    work._task, work._thrown = task, None

    async def ask():
        try:
            await left_in_time()
        except* LookupError:
            assert task.cancelling() == 1 and not work.is_cancelled(0)

    for piece in (ask, left_with_another):
        try:
            await told_of(piece(), work.note)
        except* LookupError:
            assert piece is left_with_another
        assert task.cancelling() == 0 and not work.is_cancelled(0)
    task.cancel()
    assert work.is_cancelled(0) and not work.is_cancelled(1)
    task.uncancel()
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        pass
