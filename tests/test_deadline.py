"""shallot.deadline: within() behaves as the work alone does, until the deadline passes. Time is the loop's, moved by hand."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from shallot.deadline import DeadlinePassed, telling, within
from shallot.stages import Course, finish
from shallot.testing.clock import virtual_time


async def returns(value):
    return value


async def raises(error):
    raise error


async def waits(event, seen=None):
    try:
        return await event.wait()
    except BaseException as error:
        if seen is not None:
            seen.append(error)
        raise


async def test_work_that_does_not_wait_costs_no_timer(timers):
    assert await within(5, returns("x")) == "x"
    with pytest.raises(KeyError):
        await within(5, raises(KeyError("k")))
    assert timers == []


async def test_work_that_waits_gets_one(timers):
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    assert await within(5, waits(event)) is True
    assert len(timers) == 1


async def test_off(timers):
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    assert await within(None, waits(event)) is True
    assert timers == []


async def test_several_waits():
    async def thrice():
        for _ in range(3):
            await asyncio.sleep(0)
        return "done"

    assert await within(5, thrice()) == "done"


async def test_the_deadline_passes():
    seen: list[BaseException] = []
    with pytest.raises(DeadlinePassed, match="took longer than 0 s"):
        await within(0, waits(asyncio.Event(), seen))
    assert [type(error) for error in seen] == [asyncio.CancelledError]


@pytest.mark.parametrize(("later", "passed"), [(9, 9), (5, 5)], ids=["raised", "the-same"])
def test_work_may_raise_its_own_bound(later, passed):
    @virtual_time
    async def run():
        loop, bound = asyncio.get_running_loop(), [5]

        async def slow():
            await asyncio.sleep(4)
            bound[0] = later
            await asyncio.sleep(100)

        began = loop.time()
        with pytest.raises(DeadlinePassed, match=f"took longer than {passed} s"):
            await within(5, slow(), lambda: bound[0])
        assert loop.time() - began == passed

    run()


@virtual_time
async def test_once_it_has_passed_a_bound_is_not_raised():
    loop, bound = asyncio.get_running_loop(), [5]

    async def stubborn():
        try:
            await asyncio.sleep(100)
        finally:
            bound[0] = 9
            await asyncio.sleep(1)

    began = loop.time()
    with pytest.raises(DeadlinePassed):
        await within(5, stubborn(), lambda: bound[0])
    assert loop.time() - began == 6


async def test_a_timeout_of_the_work_is_its_own():
    async def slow():
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError) as error:
        await within(5, slow())
    assert not isinstance(error.value, DeadlinePassed)


async def test_work_that_answers_its_cancellation_has_its_result():
    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            return "cleaned up"

    assert await within(0, stubborn()) == "cleaned up"


async def test_errors_after_a_wait():
    async def fails():
        await asyncio.sleep(0)
        raise KeyError("late")

    with pytest.raises(KeyError, match="late"):
        await within(5, fails())


async def test_an_error_of_what_is_awaited_reaches_the_work():
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def recovers():
        try:
            await future
        except KeyError:
            return "recovered"

    asyncio.get_running_loop().call_soon(future.set_exception, KeyError("x"))
    assert await within(5, recovers()) == "recovered"


async def test_cancellation_from_outside_is_passed_on():
    seen: list[BaseException] = []
    task = asyncio.create_task(within(5, waits(asyncio.Event(), seen)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [type(error) for error in seen] == [asyncio.CancelledError]


@pytest.mark.parametrize("by", ["time", "another", "nobody"])
async def test_where_time_is_up_it_is_told_before_the_work_hears_of_it(by):
    told = []

    async def work():
        try:
            await (asyncio.sleep(0) if by == "nobody" else asyncio.Event().wait())
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    task = asyncio.create_task(within(0 if by == "time" else 5, work(), None, lambda: told.append("late")))
    await asyncio.sleep(0)
    if by == "another":
        task.cancel()
    await asyncio.wait([task])
    assert told == {"time": ["late", "cancelled"], "another": ["cancelled"], "nobody": []}[by]


@pytest.mark.parametrize("is_late", [True, False], ids=["late", "in time"])
@virtual_time
async def test_work_that_somebody_else_bounds_is_told_too(is_late):
    told = []

    async def work():
        try:
            await asyncio.sleep(6 if is_late else 4)
        finally:
            told.append("end")

    async def bounded():
        async with asyncio.timeout(5) as timer:
            assert await telling(returns("x"), timer, lambda: told.append("late")) == "x"
            await telling(work(), timer, lambda: told.append("late"))

    if is_late:
        with pytest.raises(TimeoutError):
            await bounded()
    else:
        await bounded()
    assert told == (["late", "end"] if is_late else ["end"])


async def test_closing_closes_the_work():
    seen: list[BaseException] = []
    whole = within(None, waits(asyncio.Event(), seen))
    whole.send(None)
    whole.close()
    assert [type(error) for error in seen] == [GeneratorExit]


@pytest.mark.parametrize("timed", ["within", "within, told", "telling", "finish"])
async def test_what_was_waited_for_is_let_go_with_the_cancellation(timed):
    """And not when the garbage collector comes by: it may be an open file, which a thread gave just before."""

    class Result:
        pass

    result, future = Result(), asyncio.get_running_loop().create_future()
    seen = weakref.ref(result)

    async def work(waits_for):
        await waits_for

    async def timed_work(waits_for):
        if timed == "within":
            await within(5, work(waits_for))
        elif timed == "within, told":
            await within(5, work(waits_for), lambda: 5, print)
        elif timed == "telling":
            try:
                async with asyncio.timeout(5) as timer:
                    await telling(work(waits_for), timer, print)
            finally:
                del timer
        else:
            line = work(waits_for)
            await finish(line, next(line.__await__()), Course())

    task = asyncio.create_task(timed_work(future))
    await asyncio.sleep(0)
    future.set_result(result)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    gc.disable()
    try:
        del task, result, future
        assert seen() is None
    finally:
        gc.enable()
