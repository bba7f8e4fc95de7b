"""``run``: a handler as a function from what comes in to what it yields."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shallot import WSDisconnect, every, websocket, ws_close, ws_send, ws_send_json
from shallot.errors import EffectRefused
from shallot.testing import request, run

ASK = request("WS", "/", identity="ann")


@websocket
async def echo(scope, receiver):
    async for message in receiver:
        yield ws_send(message)


def test_what_comes_in_and_what_goes_out() -> None:
    assert run(echo, ASK, ["hi", b"\0"]) == [ws_send("hi"), ws_send(b"\0")]
    assert run(echo, ASK, []) == []


def test_the_bare_function_will_do() -> None:
    assert run(echo.__wrapped__, ASK, ["hi"]) == [ws_send("hi")]


def test_the_scope_and_the_params() -> None:
    async def handler(scope, receiver, room, number):
        scope["mine"] = 1
        yield ws_send_json([scope["identity"], scope["config"], room, number])

    ask = request("WS", "/", identity="ann")
    assert run(handler, ask, [], params=["lobby", 3], config={"db": 1}) == [ws_send_json(["ann", {"db": 1}, "lobby", 3])]
    assert run(handler, ask, [], params=("lobby", 3)) == [ws_send_json(["ann", {}, "lobby", 3])]
    assert "mine" not in ask, "it gets a copy"


def test_messages_of_timers_and_channels_come_from_the_list() -> None:
    @websocket
    async def handler(scope, receiver):
        yield every(1, "tick")
        async for message in receiver:
            match message:
                case {"type": "timer.fired", "name": name}:
                    yield ws_send(name)

    assert run(handler, ASK, [{"type": "timer.fired", "name": "tick", "missed": 0}]) == [every(1, "tick"), ws_send("tick")]


def test_the_clients_leaving_is_1000_and_comes_as_often_as_it_is_asked_for() -> None:
    codes: list[int] = []

    async def handler(scope, receiver):
        for _ in range(2):
            try:
                async for _ in receiver:
                    raise AssertionError
            except WSDisconnect as left:
                codes.append(left.code)
                yield {"type": "farewell"}

    assert run(handler, ASK, []) == [{"type": "farewell"}] * 2
    assert codes == [1000, 1000]


def test_a_close_ends_it_at_its_yield() -> None:
    ran: list[str] = []

    async def handler(scope, receiver):
        try:
            yield ws_close(4000, "bye")
            ran.append("after")
        finally:
            ran.append("finally")

    assert run(handler, ASK, ["unread"]) == [ws_close(4000, "bye")]
    assert ran == ["finally"]


def test_an_effect_while_it_is_being_closed_is_refused() -> None:
    async def handler(scope, receiver):
        try:
            yield ws_close()
        finally:
            yield ws_send("bye")

    with pytest.raises(EffectRefused, match="hook"):
        run(handler, ASK, [])


async def count_up(scope, receiver):
    try:
        position = yield {"type": "job.start"}
    except LookupError as error:
        position = repr(error)
    yield ws_send_json(position)


@pytest.mark.parametrize(
    "replies, expected",
    [
        (None, None),
        ({"job.start": 7}, 7),
        ({"job.start": lambda effect: effect["type"]}, "job.start"),
        ({"job.start": LookupError("gone")}, "LookupError('gone')"),
        ({"job.start": iter([8, 9])}, 8),
        ({"job.start": iter([LookupError("gone")])}, "LookupError('gone')"),
    ],
    ids=["none", "value", "function", "exception", "one after the other", "an exception among them"],
)
def test_replies(replies: Any, expected: object) -> None:
    assert run(count_up, ASK, [], replies=replies) == [{"type": "job.start"}, ws_send_json(expected)]


def test_channels_answer_by_default() -> None:
    async def handler(scope, receiver):
        for kind in ("subscribe", "publish", "members", "history"):
            answer = yield {"type": f"channel.{kind}"}
            yield ws_send_json(answer)

    answers = run(handler, ASK, [])[1::2]
    assert answers == [
        ws_send_json({"cursor": "", "recovered": False, "missed": 0}),
        ws_send_json({"cursor": "", "duplicate": False}),
        ws_send_json({}),
        ws_send_json([]),
    ]


@pytest.mark.parametrize(
    "effect, error",
    [("hi", TypeError), ({}, TypeError), ({"type": "websocket.send"}, TypeError), ({"type": "websocket.close", "code": 1006}, ValueError)],
    ids=["no dict", "no type", "nothing to send", "illegal code"],
)
def test_no_effect_is_an_error_at_the_yield(effect: Any, error: type[Exception]) -> None:
    caught: list[BaseException] = []

    async def handler(scope, receiver):
        try:
            yield effect
        except Exception as raised:
            caught.append(raised)
            yield ws_send("caught")

    assert run(handler, ASK, []) == [ws_send("caught")]
    assert isinstance(caught[0], error)


def test_what_the_handler_raises_comes_out() -> None:
    async def handler(scope, receiver):
        yield ws_send("a")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(handler, ASK, [])


@pytest.mark.parametrize("answer, expected", [(None, []), (ws_send("x"), [ws_send("x")])], ids=["none", "one effect"])
def test_a_coroutine(answer: Any, expected: list[Any]) -> None:
    async def handler(scope, receiver):
        return answer

    assert run(handler, ASK, []) == expected


def test_no_handler() -> None:
    with pytest.raises(TypeError, match="async generator function"):
        run(lambda scope, receiver: 3, ASK, [])


def test_sleeping_takes_no_time_and_threads_are_not_needed() -> None:
    async def handler(scope, receiver):
        await asyncio.sleep(3600)
        answer = await scope["run_in_thread"](divmod, 7, 2)
        yield ws_send_json(answer)

    assert run(handler, ASK, []) == [ws_send("[3,1]")]


async def test_inside_a_loop_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="plain def"):
        run(echo, ASK, ["hi"])


def test_a_handler_that_never_reads() -> None:
    async def handler(scope, receiver):
        while True:
            yield ws_send("tick")
            await asyncio.sleep(1)

    with pytest.raises(RuntimeError, match="read nothing"):
        run(handler, ASK, [])


def test_a_handler_that_reads_for_ever() -> None:
    async def handler(scope, receiver):
        while True:
            try:
                async for _ in receiver:
                    yield ws_send("a")
            except WSDisconnect:
                pass

    with pytest.raises(RuntimeError, match="again and again"):
        run(handler, ASK, ["a", "b"])


@pytest.mark.leaks
def test_a_task_that_is_left() -> None:
    async def handler(scope, receiver):
        asyncio.get_running_loop().create_task(asyncio.sleep(3600), name="left behind")
        yield ws_send("a")

    with pytest.raises(RuntimeError, match="left behind"):
        run(handler, ASK, [])


def test_a_task_of_the_handlers_own_gets_its_turn() -> None:
    async def handler(scope, receiver):
        heard: list[str] = []

        async def note() -> None:
            heard.append("noted")

        async with asyncio.TaskGroup() as group:
            group.create_task(note())
            async for _ in receiver:
                break
        yield ws_send(heard[0])

    assert run(handler, ASK, ["x"]) == [ws_send("noted")]
