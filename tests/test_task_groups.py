"""Which cancellation a TaskGroup forgets, and how it is seen; what comes of it is shown in test_stages and test_engine."""

from __future__ import annotations

import asyncio

import pytest

from shallot import task_groups
from shallot.task_groups import FORGETS, is_forgotten
from shallot.testing import virtual_time
from shallot.websocket.groups import noting

from .failing_groups import fail, left_in_time

forgets = pytest.mark.skipif(not FORGETS, reason="this Python's TaskGroups forget nothing")


async def hold():
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(1)


async def left_with_another():
    async with asyncio.TaskGroup() as group:
        group.create_task(fail(1))
        group.create_task(hold())


async def left_by_force():
    async with asyncio.TaskGroup() as group:
        group.create_task(fail(1))
        await asyncio.sleep(60)


async def nothing_but_time():
    async with asyncio.timeout(1):
        await asyncio.sleep(60)


async def heard_while(work):
    """What a piece of work is told of: for each error thrown into it, whether a group forgets it."""
    heard, thrown = [], []

    def tell(error):
        if error is None:
            heard.append(is_forgotten(thrown[-1]))
            assert not is_forgotten(thrown[-1]), "once is enough"
        else:
            assert isinstance(error, asyncio.CancelledError)
            thrown.append(error)

    try:
        await noting(work, work.send(None), tell)
    except (ExceptionGroup, TimeoutError, asyncio.CancelledError):
        pass
    return heard


@forgets
@pytest.mark.parametrize(
    ("work", "heard"),
    [
        (left_in_time, [True]),
        (left_with_another, [True]),
        (left_by_force, [False]),
        (nothing_but_time, [False]),
    ],
    ids=["a group that is being left", "with another task in it", "a group whose body runs", "a timeout"],
)
@virtual_time
async def test_what_a_group_forgets(work, heard):
    assert await heard_while(work()) == heard


@forgets
@virtual_time
async def test_a_cancellation_by_others_is_never_taken_for_the_groups():
    for at_s, expected in ((0.5, [False]), (1.5, [True, False])):
        task = asyncio.create_task(heard_while(left_with_another()))
        await asyncio.sleep(at_s)
        task.cancel()
        assert await task == expected


@pytest.mark.parametrize("is_own", [True, False])
async def test_a_group_is_asked_once(monkeypatch, is_own):
    class Group:
        _parent_cancel_requested = is_own

        async def leave(self):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass

    monkeypatch.setattr(task_groups, "LEAVING", Group.leave.__code__)
    task = asyncio.create_task(heard_while(Group().leave()))
    await asyncio.sleep(0)
    task.cancel()
    assert await task == [is_own]


def test_an_error_that_was_never_thrown_is_nobodys():
    assert not is_forgotten(asyncio.CancelledError())
