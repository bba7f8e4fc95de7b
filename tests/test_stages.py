"""shallot.stages: finish() behaves as the work alone does, until a stage of it has taken too long. Time is the loop's, moved by hand."""

from __future__ import annotations

import asyncio

import pytest

from shallot.deadline import DONE, DeadlinePassed
from shallot.stages import AGAIN_S, Course, Stage, finish
from shallot.testing.clock import virtual_time

READING, ANSWERING = Stage("reading", 5), Stage("answering", 5)


async def run(work, course):
    """How many seconds it took."""
    began = asyncio.get_running_loop().time()
    await finish(work, next(work.__await__(), DONE), course)
    return asyncio.get_running_loop().time() - began


async def test_stages_that_do_not_wait_cost_no_timer(timers):
    course = Course()

    async def work():
        course.stage = READING
        course.stage = ANSWERING

    async def fails():
        raise KeyError("k")

    await run(work(), course)
    with pytest.raises(KeyError):
        await run(fails(), course)
    assert timers == []


async def test_each_stage_has_one_timer_for_all_that_waits(timers):
    async def work(course):
        for course.stage in (READING, ANSWERING, None, READING):
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    courses = [Course() for _ in range(100)]
    await asyncio.gather(*(run(work(course), course) for course in courses))
    assert len(timers) == 2


@virtual_time
async def test_where_nobody_waits_no_timer_is_set(timers):
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    course = Course()
    course.stage = Stage("reading", 5)
    work = loop.create_future()
    loop.call_later(0.8, work.set_result, None)

    async def reads():
        await work

    await run(reads(), course)
    await asyncio.sleep(100)
    assert [when - began for when in timers] == pytest.approx([0.8, 0.5, 1, 100.8])


@virtual_time
async def test_each_of_many_has_its_own_deadline():
    loop, ends = asyncio.get_running_loop(), {}
    stage = Stage("reading", 5)

    async def work(course, number, seconds):
        await asyncio.sleep(number)
        course.stage = stage
        try:
            await asyncio.sleep(seconds)
        finally:
            ends[number] = loop.time() - began

    async def timed(number, seconds):
        course = Course()
        await run(work(course, number, seconds), course)

    began = loop.time()
    tasks = [asyncio.create_task(timed(number, 3 if number % 3 == 2 else 100)) for number in range(12)]
    await asyncio.wait(tasks)
    assert {number: round(end, 6) for number, end in ends.items()} == {number: number + (3 if number % 3 == 2 else 5) for number in range(12)}
    assert [task.exception() is None for task in tasks] == [number % 3 == 2 for number in range(12)]


def test_the_loops_of_a_stage_know_nothing_of_each_other():
    """An app may be run again, in a new loop; what the old one knew of who waited is forgotten with it."""
    stage = Stage("reading", 5)

    loops = []

    @virtual_time
    async def one_is_late():
        course = Course()
        course.stage = stage
        with pytest.raises(DeadlinePassed):
            await run(asyncio.sleep(100), course)
        loops.append(asyncio.get_running_loop())
        assert stage.queue(loops[-1]) is stage.queue(loops[-1])

    for _ in range(3):
        one_is_late()
    assert len(set(loops)) == 3
    assert list(stage._queues) == loops[-1:]


@pytest.mark.parametrize("first", ["the deadline", "another"])
@virtual_time
async def test_who_else_wants_the_end_of_late_work_gets_it(first):
    course = Course()

    async def work():
        course.stage = READING
        await asyncio.sleep(100)

    task = asyncio.create_task(run(work(), course))
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)
    due = loop.time() + READING.seconds
    if first == "another":
        loop.call_at(due, task.cancel)
    course.late = lambda: None if first == "another" else task.cancel()
    await asyncio.wait([task])
    assert (task.cancelled(), loop.time()) == (True, due)


@pytest.mark.parametrize(
    ("steps", "late"),
    [
        ([(READING, 4), (ANSWERING, 4)], None),
        ([(READING, 4), (None, 100), (ANSWERING, 4)], None),
        ([(READING, 4), (READING, 4)], "reading"),
        ([(READING, 4), (ANSWERING, 6)], "answering"),
        ([(None, 100), (READING, 6)], "reading"),
    ],
    ids=["both in time", "untimed between", "one of two waits", "the second", "after an untimed"],
)
def test_each_stage_has_its_own_seconds(steps, late):
    @virtual_time
    async def times():
        course, done = Course(), []

        async def work():
            for stage, seconds in steps:
                course.stage = stage
                await asyncio.sleep(seconds)
                done.append(seconds)

        if late is None:
            assert await run(work(), course) == sum(seconds for _, seconds in steps)
        else:
            with pytest.raises(DeadlinePassed, match=f"{late} took longer than 5 s"):
                await run(work(), course)
            assert len(done) == len(steps) - 1

    times()


@virtual_time
async def test_work_that_answers_its_cancellation_goes_on_to_the_next_stage():
    course, seen = Course(), []

    async def stubborn():
        course.stage = READING
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError as error:
            seen.append(type(error))
        course.stage = ANSWERING
        await asyncio.sleep(100)

    began = asyncio.get_running_loop().time()
    with pytest.raises(DeadlinePassed, match="answering"):
        await run(stubborn(), course)
    assert (seen, asyncio.get_running_loop().time() - began) == ([asyncio.CancelledError], 10)
    assert asyncio.current_task().cancelling() == 0


@pytest.mark.parametrize("stage", [READING, None], ids=["timed", "untimed"])
async def test_a_timeout_of_staged_work_is_its_own(stage):
    async def slow():
        course.stage = stage
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    course = Course()
    with pytest.raises(TimeoutError) as error:
        await run(slow(), course)
    assert not isinstance(error.value, DeadlinePassed)


async def test_staged_work_is_cancelled_from_outside():
    seen: list[BaseException] = []

    async def work():
        try:
            await asyncio.Event().wait()
        except BaseException as error:
            seen.append(error)
            raise

    task = asyncio.create_task(run(work(), Course()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [type(error) for error in seen] == [asyncio.CancelledError]


@virtual_time
async def test_late_work_that_goes_on_is_cancelled_again(caplog):
    loop, course, seen = asyncio.get_running_loop(), Course(), []

    async def deaf():
        course.stage = READING
        for _ in range(3):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                seen.append(loop.time() - began)
        await asyncio.sleep(1)

    began = loop.time()
    assert await run(deaf(), course) == READING.seconds + 2 * AGAIN_S + 1
    assert seen == [READING.seconds + times * AGAIN_S for times in range(3)]
    assert asyncio.current_task().cancelling() == 0
    assert [record.getMessage() for record in caplog.records] == ["reading: the work did not end within 5 s of its cancellation; cancelled again"] * 2


@pytest.mark.parametrize("fails_after", [1, READING.seconds], ids=["before", "as it is cancelled"])
@virtual_time
async def test_a_group_that_failed_in_late_work_hides_no_deadline(caplog, fails_after):
    """Before Python 3.13 the group leaves the cancellation that it asked for standing, or swallows ours."""
    course = Course()

    async def child():
        try:
            await asyncio.sleep(fails_after)
        finally:
            raise LookupError

    async def work():
        course.stage = READING
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
        except* LookupError:
            pass
        await asyncio.sleep(100)

    with pytest.raises(DeadlinePassed, match="reading"):
        await run(work(), course)
    assert asyncio.current_task().cancelling() == 0


@virtual_time
async def test_a_timer_that_comes_a_little_early_is_in_time(timers, monkeypatch):
    """As uvloop's do, which count milliseconds."""
    loop, course = asyncio.get_running_loop(), Course()
    call_at = loop.call_at
    monkeypatch.setattr(loop, "call_at", lambda when, *args, **keywords: call_at(when - 0.0005, *args, **keywords))
    course.stage = Stage("reading", 0.2)
    with pytest.raises(DeadlinePassed):
        await run(asyncio.Event().wait(), course)
    assert len(timers) == 2, "the deadline, and the next cancellation"
