from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from shallot.errors import EffectRefused
from shallot.websocket.generators import MAX_REFUSALS, as_generator, close_generator, is_finished


async def test_an_async_generator_is_taken_as_it_is():
    async def two():
        yield 1
        yield 2

    generator = two()
    assert as_generator(generator) is generator
    assert not is_finished(generator)
    assert [value async for value in generator] == [1, 2]
    assert is_finished(generator)


class Wrapped(AsyncGenerator):
    """A user's own kind of async generator: it has the methods, and nothing else of one."""

    def __init__(self, inside):
        self.inside = inside

    async def asend(self, value):
        return await self.inside.asend(value)

    async def athrow(self, *error):
        return await self.inside.athrow(*error)


async def test_another_kind_of_async_generator_tells_whether_it_runs():
    seen, going = [], asyncio.Event()

    async def handler():
        seen.append((yield 1))
        try:
            yield 2
        except KeyError as error:
            seen.append(error.args[0])
        await going.wait()
        try:
            yield 3
        finally:
            seen.append("finally")

    generator = as_generator(Wrapped(handler()))
    assert await generator.asend(None) == 1
    assert await generator.asend("told") == 2
    waiting = asyncio.create_task(generator.athrow(KeyError("thrown")))
    await asyncio.sleep(0)
    assert generator.ag_running
    going.set()
    assert await waiting == 3
    assert not generator.ag_running and not is_finished(generator)
    await close_generator(generator)
    assert is_finished(generator)
    assert seen == ["told", "thrown", "finally"]


async def test_another_kind_of_async_generator_ends():
    async def handler():
        yield 1

    generator = as_generator(Wrapped(handler()))
    assert [value async for value in generator] == [1]
    assert is_finished(generator)


@pytest.mark.parametrize(("answer", "effects"), [({"type": "x"}, [{"type": "x"}]), (None, [])], ids=["one", "none"])
async def test_a_coroutines_answer_is_its_only_effect(answer, effects):
    async def handler():
        return answer

    assert [effect async for effect in as_generator(handler())] == effects


def test_anything_else_is_told_what_a_handler_is():
    with pytest.raises(TypeError, match=r"async generator function .* got generator"):
        as_generator(value for value in ())


def test_a_generator_that_is_not_pythons_own_cannot_tell():
    assert not is_finished(object())  # type: ignore[arg-type]


async def test_closing_runs_finally_even_where_it_never_started_nothing_runs():
    seen = []

    async def handler():
        try:
            seen.append("started")
            yield 1
        finally:
            seen.append("finally")

    fresh, started = handler(), handler()
    await anext(started)
    await close_generator(fresh)
    await close_generator(started)
    assert seen == ["started", "finally"]
    assert is_finished(fresh) and is_finished(started)


async def test_a_generator_that_ends_instead_of_raising_is_closed():
    async def handler():
        try:
            yield 1
        except GeneratorExit:
            return

    generator = handler()
    await anext(generator)
    await close_generator(generator)
    assert is_finished(generator)


async def test_what_is_yielded_meanwhile_is_refused_with_the_cure():
    async def handler():
        try:
            yield 1
        finally:
            yield 2

    generator = handler()
    await anext(generator)
    with pytest.raises(EffectRefused, match=r"a hook: @websocket\(on_close=\.\.\.\)"):
        await close_generator(generator)
    assert is_finished(generator)


async def test_a_generator_that_goes_on_yielding_is_given_up():
    refused = []

    async def handler():
        while len(refused) < MAX_REFUSALS + 3:
            try:
                yield 1
            except (GeneratorExit, EffectRefused) as error:
                refused.append(type(error))

    generator = handler()
    await anext(generator)
    with pytest.raises(EffectRefused):
        await close_generator(generator)
    assert refused == [GeneratorExit] + [EffectRefused] * (MAX_REFUSALS - 1)
    async for _ in generator:
        refused.append(EffectRefused)


async def test_somebody_elses_exit_is_not_kept():
    async def handler():
        try:
            yield 1
        finally:
            raise GeneratorExit("of another")

    generator = handler()
    await anext(generator)
    with pytest.raises(GeneratorExit, match="of another"):
        await close_generator(generator)


@pytest.mark.parametrize("failing", [False, True], ids=["whole", "a task fails too"])
async def test_a_task_group_around_the_yield_ends_like_any_other(failing):
    ended = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("work")
            if failing:
                raise ValueError("late")

    async def grouped():
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            await asyncio.sleep(0)
            yield {"type": "websocket.send", "text": "x"}

    generator = grouped()
    await anext(generator)
    if failing:
        with pytest.raises(ExceptionGroup) as raised:
            await close_generator(generator)
        assert [type(error) for error in raised.value.exceptions] == [ValueError]
    else:
        await close_generator(generator)
    assert ended == ["work"] and is_finished(generator)
