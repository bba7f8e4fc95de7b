"""shallot.body: a body is counted and timed while it is read."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shallot.body import BodyStream, declared_length, first_chunk_s, read_body, take_body
from shallot.deadline import DONE, DeadlinePassed
from shallot.errors import BadRequest, BodyTooLarge, ClientDisconnect, RequestTimeout
from shallot.limits import default_limits
from shallot.stages import Course, Stage, finish
from shallot.testing.clock import virtual_time

LIMITS = {**default_limits(), "body_bytes": 10_000, "body_s": 30, "body_min_rate": 100}
GONE = {"type": "http.disconnect"}


def part(body, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


def arriving(*events):
    """A ``receive`` that hands out ``events``: a number is a pause of so many seconds. It counts its calls."""
    coming = iter(events)

    async def receive():
        receive.calls += 1
        for event in coming:
            if isinstance(event, dict):
                return event
            await asyncio.sleep(event)
        await asyncio.Event().wait()

    receive.calls = 0
    return receive


async def read(*events, declared=None, **limits):
    return await read_from(arriving(*events), declared, **limits)


async def read_from(receive, declared=None, **limits):
    """What read_body gives, in the stage that whoever calls it has entered."""
    course, bodies = Course(), []
    course.stage = Stage("reading", first_chunk_s({**LIMITS, **limits}))

    async def work():
        bodies.append(await read_body(receive, {**LIMITS, **limits}, declared, course))

    line = work()
    await finish(line, next(line.__await__(), DONE), course)
    return bodies[0]


# ---- read whole


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([part(b"abc", False)], b"abc"),
        ([part(b"a"), part(b"b"), part(b"c", False)], b"abc"),
        ([part(b"a"), part(b""), part(b"", False)], b"a"),
        ([{"type": "http.request"}], b""),
    ],
)
async def test_a_body_is_all_its_parts(events, expected):
    assert await read(*events) == expected


async def test_one_part_is_not_copied():
    body = b"abc"
    assert await read(part(body, False)) is body


@given(some.lists(some.binary(max_size=50), max_size=20))
async def test_whatever_the_parts(parts):
    assert await read(*map(part, parts), part(b"", False)) == b"".join(parts)


async def test_the_bound_itself_passes_and_one_byte_more_does_not():
    assert len(await read(part(b"x" * 5), part(b"x" * 5, False), body_bytes=10)) == 10
    receive = arriving(part(b"x" * 5), part(b"x" * 6), part(b"never read"))
    with pytest.raises(BodyTooLarge, match="more than 10 bytes"):
        await read_from(receive, body_bytes=10)
    assert receive.calls == 2


async def test_a_body_may_have_the_length_that_was_declared_and_that_may_be_the_bound():
    assert await read(part(b"x" * 10, False), declared=10, body_bytes=10) == b"x" * 10
    assert [chunk async for chunk in streaming(part(b"x" * 10, False), bound=10, declared=10)] == [b"x" * 10]


async def test_a_body_declared_too_large_is_refused_before_the_first_read():
    receive = arriving()
    with pytest.raises(BodyTooLarge, match="11 bytes was declared; the bound is 10"):
        await read_from(receive, 11, body_bytes=10)
    assert receive.calls == 0


async def test_an_understated_length_does_not_help():
    with pytest.raises(BodyTooLarge):
        await read(part(b"x" * 11, False), declared=5, body_bytes=10)


@pytest.mark.parametrize(
    ("events", "error"),
    [([part(b"abc"), GONE], ClientDisconnect), ([GONE], ClientDisconnect), ([part(b"abc", False)], BadRequest)],
    ids=["left after a part", "left at once", "ended early"],
)
async def test_half_a_body_is_none(events, error):
    with pytest.raises(error):
        await read(*events, declared=100)


@virtual_time
async def test_a_body_has_a_deadline():
    for pauses in ([4, 27], [0, 20, 11], [4.9] * 7):
        events = [event for pause in pauses for event in (pause, part(b"x" * 1000))]
        with pytest.raises(RequestTimeout):
            await read(*events, part(b"", False))
    assert await read(part(b"x" * 5000), 29, part(b"", False))


@pytest.mark.parametrize(("body_s", "seconds"), [(30, 5), (3, 3)])
def test_a_body_must_begin(body_s, seconds):
    @virtual_time
    async def run():
        assert first_chunk_s({**LIMITS, "body_s": body_s}) == seconds
        assert await read(seconds - 0.1, part(b"x", False), body_s=body_s) == b"x"
        with pytest.raises(DeadlinePassed, match=f"reading took longer than {seconds}"):
            await read(seconds + 0.1, part(b"x", False), body_s=body_s)

    run()


@virtual_time
async def test_after_five_seconds_a_body_has_a_rate():
    assert await read(4.9, part(b"x" * 400), 3.9, part(b"", False))
    began = asyncio.get_running_loop().time()
    with pytest.raises(RequestTimeout):
        await read(4.9, part(b"x" * 400), 5, part(b"", False))
    assert asyncio.get_running_loop().time() - began == pytest.approx(9)


@virtual_time
async def test_a_drip_ends_within_its_deadline():
    began = asyncio.get_running_loop().time()
    with pytest.raises(RequestTimeout):
        await read(*[1, part(b"x")] * 100)
    assert asyncio.get_running_loop().time() - began <= 31


async def test_parts_that_come_too_late_are_refused_even_if_nothing_waits(monkeypatch):
    loop = asyncio.get_running_loop()
    clock = iter(range(100, 1000, 10))
    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", lambda: next(clock))
        with pytest.raises(RequestTimeout):
            await read(*[part(b"")] * 10, part(b"", False))


async def test_many_small_parts_are_linear():
    async def seconds(size):
        began = time.perf_counter()
        await read(*[part(b"x")] * size, part(b"", False), body_bytes=1 << 20)
        return time.perf_counter() - began

    await seconds(1000)
    small = min([await seconds(4_000) for _ in range(3)])
    assert min([await seconds(16_000) for _ in range(3)]) / small < 12


# ---- declared


@pytest.mark.parametrize(("value", "expected"), [(None, None), ("0", 0), ("5", 5), ("007", 7), ("9" * 19, 10**19 - 1)])
def test_a_declared_length(value, expected):
    assert declared_length({} if value is None else {"content-length": value}) == expected


@pytest.mark.parametrize("value", ["١٢", "+5", "1_0", "-1", "", " 5", "5\n", "9" * 20, "9" * 5000, "5, 5", "0x5"])
def test_what_is_no_length(value):
    with pytest.raises(BadRequest, match="content-length is not a number"):
        declared_length({"content-length": value})


# ---- chosen


async def take(stream_body, *events, headers=None, may_have_body=True):
    request = {"headers": headers or {}, "body": b""}
    stream = await take_body(request, {"path": "/up"}, arriving(*events), {**LIMITS, "stream_bytes": 50}, stream_body, Course(), may_have_body=may_have_body)
    return request, stream


@pytest.mark.parametrize("stream_body", [None, lambda scope: False, lambda scope: 0])
async def test_the_body_is_read(stream_body):
    assert await take(stream_body, part(b"abc", False)) == ({"headers": {}, "body": b"abc"}, None)


async def test_no_body_is_not_asked_for():
    assert await take(None, may_have_body=False) == ({"headers": {}, "body": b""}, None)


@pytest.mark.parametrize(("chosen", "bound"), [(True, 50), (7, 7)])
async def test_the_body_is_left_to_the_handler(chosen, bound):
    seen = []
    request, stream = await take(lambda scope: seen.append(scope) or chosen, part(b"x" * bound), part(b"x"))
    assert seen == [{"path": "/up"}]
    assert (request["stream"], request["body"]) == (stream, b"")
    assert len(await anext(stream)) == bound
    with pytest.raises(BodyTooLarge):
        await anext(stream)


async def test_the_stream_of_a_request_without_a_body_has_ended_and_asks_for_nothing():
    _, stream = await take(lambda scope: True, part(b"of the next request"), may_have_body=False)
    assert [chunk async for chunk in stream] == []
    assert stream.whole and stream.ended.is_set()


async def test_a_stream_declared_too_large_is_refused_at_once():
    with pytest.raises(BodyTooLarge, match="51 bytes was declared"):
        await take(lambda scope: True, headers={"content-length": "51"})


@pytest.mark.parametrize("answer", [None, "yes", -1, 1.5])
async def test_another_answer_is_refused(answer):
    with pytest.raises(TypeError, match=r"stream_body\(scope\) must return a bool, or a bound in bytes"):
        await take(lambda scope: answer)


# ---- streamed


def streaming(*events, bound=100, chunk_s=30, declared=None):
    return BodyStream(arriving(*events), bound, chunk_s, declared)


async def test_a_stream_gives_the_chunks_that_have_something_in_them_once():
    stream = streaming(part(b"a"), part(b""), part(b"b"), part(b"c", False))
    assert [chunk async for chunk in stream] == [b"a", b"b", b"c"]
    assert (stream.whole, stream.ended.is_set()) == (True, True)
    assert [chunk async for chunk in stream] == []


async def test_an_empty_last_part_is_the_end():
    assert [chunk async for chunk in streaming(part(b"a"), part(b"", False))] == [b"a"]
    assert [chunk async for chunk in streaming({"type": "http.request"})] == []


@pytest.mark.parametrize(
    ("events", "declared", "error"),
    [
        ([part(b"x" * 99), part(b"xx")], None, BodyTooLarge),
        ([part(b"x"), GONE], None, ClientDisconnect),
        ([part(b"x"), part(b"x", False)], 3, BadRequest),
    ],
    ids=["too large", "left", "ended early"],
)
async def test_a_stream_that_fails_has_ended(events, declared, error):
    stream = streaming(*events, declared=declared)
    assert await anext(stream)
    with pytest.raises(error):
        await anext(stream)
    assert [chunk async for chunk in stream] == []
    assert (stream.whole, stream.ended.is_set()) == (False, True)


@virtual_time
async def test_each_chunk_has_a_deadline():
    stream = streaming(29, part(b"x"), 29, part(b"y"), 20, part(b""), 11, part(b"z"))
    assert [await anext(stream), await anext(stream)] == [b"x", b"y"]
    with pytest.raises(RequestTimeout):
        await anext(stream)


async def test_a_closed_stream_has_ended():
    stream = streaming(part(b"x"))
    await stream.aclose()
    assert [chunk async for chunk in stream] == []


# ---- the time to answer, while the body streams


@virtual_time
async def test_an_upload_may_last_while_its_chunks_are_taken():
    stream = streaming(*[20, part(b"x")] * 5, 20, part(b"", False))

    async def upload():
        return [chunk async for chunk in stream]

    assert await stream.within(25, upload(), print) == [b"x"] * 5


@virtual_time
async def test_a_handler_that_takes_nothing_has_its_deadline():
    stream = streaming(part(b"x"), part(b"y"))

    async def dawdle():
        await anext(stream)
        await asyncio.sleep(26)

    told = []
    with pytest.raises(DeadlinePassed, match="longer than 25 s"):
        await stream.within(25, dawdle(), lambda: told.append("late"))
    assert await anext(stream) == b"y"
    assert told == ["late"]


@virtual_time
async def test_a_timeout_of_the_handlers_own_is_its_own():
    async def fail():
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine") as raised:
        await streaming().within(25, fail(), print)
    assert not isinstance(raised.value, DeadlinePassed)


@virtual_time
async def test_a_deadline_that_has_passed_is_not_put_off():
    stream = streaming(part(b"x"), part(b"y", False))

    async def cling():
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await anext(stream)
            raise

    with pytest.raises(DeadlinePassed):
        await stream.within(25, cling(), print)


# ---- given up, while the response streams


@virtual_time
async def test_a_stream_that_nobody_reads_is_given_up_and_discarded():
    receive = arriving(*[part(b"x")] * 3, 5, GONE)
    stream = BodyStream(receive, 100, 30, None)
    assert await anext(stream) == b"x"
    began = asyncio.get_running_loop().time()
    with pytest.raises(ClientDisconnect):
        await stream.unread()
    assert asyncio.get_running_loop().time() - began == 35
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"nobody read .* Read it to its end first, or raise the limit body_s"):
            await anext(stream)
    assert receive.calls == 4


@virtual_time
async def test_what_came_before_the_response_does_not_count():
    stream = streaming(part(b"x"), part(b"y", False))
    await asyncio.sleep(59)
    unread = asyncio.create_task(stream.unread())
    await asyncio.sleep(29)
    assert [chunk async for chunk in stream] == [b"x", b"y"]
    await unread
    assert not stream._abandoned


@virtual_time
async def test_the_rest_of_a_stream_that_was_given_up_has_the_same_bound():
    with pytest.raises(BodyTooLarge):
        await streaming(*[part(b"x" * 60)] * 3).unread()


@virtual_time
async def test_after_the_rest_there_is_nothing_to_wait_for():
    stream = streaming(part(b"x"), part(b"y", False))
    await stream.unread()
    assert stream.whole


@pytest.mark.parametrize("pauses", [[20, 29, 29], [10, 0, 25]], ids=["slow", "faster"])
def test_a_stream_that_is_read_is_not_given_up(pauses):
    """A reader may wait for the client as long as a chunk may take, and do something else for as long again."""

    @virtual_time
    async def run():
        stream = streaming(*[event for pause in pauses for event in (pause, part(b"x"))], 20, part(b"", False))
        unread = asyncio.create_task(stream.unread())
        began = asyncio.get_running_loop().time()
        async for _ in stream:
            await asyncio.sleep(29)
        assert not unread.done()
        await unread
        assert asyncio.get_running_loop().time() - began == sum(pauses) + 29 * len(pauses) + 20

    run()


async def test_a_stream_that_has_ended_is_unread_at_once():
    stream = streaming(part(b"x"))
    await stream.aclose()
    await stream.unread()
    assert not stream.whole
