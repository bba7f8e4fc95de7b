from __future__ import annotations

import asyncio

import pytest

from shallot.errors import CloseWith
from shallot.limits import default_limits
from shallot.websocket.taps import TappedReceiver, Taps


def test_the_outermost_comes_first_and_none_drops():
    inner = {"message": lambda scope, message: message + "i", "effect": lambda scope, effect: effect + scope}
    outer = {"message": lambda scope, message: None if message == "x" else message + "o", "end": print}
    taps = Taps([inner, outer], "s")
    assert (taps.message("m"), taps.message("x"), taps.effect("e"), taps.ends()) == ("moi", None, "es", [print])


def test_each_is_told_of_the_beginning():
    told = []
    Taps([{"begin": lambda scope: told.append(f"inner {scope}")}, {"end": print}, {"begin": lambda scope: told.append(f"outer {scope}")}], "s").begin()
    assert told == ["outer s", "inner s"]


def test_each_is_told_of_results():
    told = []
    Taps([{"result": lambda *what: told.append(("inner", *what))}, {"end": print}, {"result": lambda *what: told.append(("outer", *what))}], "s").result("e", 1)
    assert told == [("outer", "s", "e", 1), ("inner", "s", "e", 1)]


async def test_a_tapped_receiver_hands_over_what_the_taps_leave():
    events = iter([{"type": "websocket.receive", "text": text} for text in ("drop", "keep")])

    async def receive():
        return next(events)

    taps = Taps([{"message": lambda scope, message: None if message == "drop" else message.upper()}], {})
    receiver = TappedReceiver(receive, default_limits(), asyncio.current_task(), 0.0, lambda what: None, taps, reads=True)
    assert await anext(receiver) == "KEEP"
    receiver.end(1000, "")
    await receiver.stopped()


async def test_taps_are_told_how_many_messages_wait():
    waiting = asyncio.get_running_loop().create_future()
    events = iter([{"type": "websocket.receive", "text": text} for text in "abc"])

    async def receive():
        return next(events, None) or await waiting

    scope: dict = {}
    taps = Taps([{"message": lambda scope, message: message}], scope)
    receiver = TappedReceiver(receive, default_limits(), asyncio.current_task(), 0.0, lambda what: None, taps, reads=True)
    assert scope["unread"]() == 0
    receiver.read_ahead()
    for _ in range(10):
        await asyncio.sleep(0)
    assert scope["unread"]() == 3
    receiver.end(1000, "")
    assert scope == {}
    await receiver.stopped()
    waiting.cancel()


async def test_a_handler_may_empty_its_scope():
    scope: dict = {}
    receiver = TappedReceiver(None, default_limits(), asyncio.current_task(), 0.0, lambda what: None, Taps([{"message": print}], scope), reads=True)
    scope.clear()
    assert receiver.end(1000, "") is False


@pytest.mark.parametrize("taps, hear, see", [([{"end": print}], False, False), ([{"message": print}], True, False), ([{"effect": print}, {}], False, True)])
def test_who_wants_what(taps, hear, see):
    made = Taps(taps, {})
    assert (made.hear, made.see) == (hear, see)


async def test_what_a_tap_ends_stays_ended():
    async def receive():
        return {"type": "websocket.receive", "text": "x"}

    def limit(scope, message):
        raise CloseWith(1008, "too many")

    receiver = TappedReceiver(receive, default_limits(), asyncio.current_task(), 0.0, lambda what: None, Taps([{"message": limit}], {}), reads=True)
    for _ in range(2):
        with pytest.raises(CloseWith) as told:
            await anext(receiver)
        assert (told.value.code, told.value.reason) == (1008, "too many")
    assert receiver.look(0.0) == "trouble"
