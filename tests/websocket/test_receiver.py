"""The receiver alone: what it reads, when, and in whose task. How the engine uses it is shown in test_engine."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from shallot.errors import CloseWith, WSDisconnect
from shallot.limits import default_limits
from shallot.testing import virtual_time
from shallot.websocket.receiver import Receiver


class Line:
    """The server's end: events to receive, and what the receiver told the engine."""

    def __init__(self, *events: Any, reads: bool = True, **limits: Any) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.calls = self.pending = self.most = 0
        self.told: list[str] = []
        self.push(*events)
        task = asyncio.current_task()
        assert task is not None
        self.receiver = Receiver(self.receive, {**default_limits(), **limits}, task, 0.0, self.told.append, reads=reads)

    def push(self, *events: Any) -> None:
        for event in events:
            self.events.put_nowait({"type": "websocket.receive", "text": event} if isinstance(event, str) else event)

    async def receive(self) -> Any:
        self.calls += 1
        self.pending += 1
        self.most = max(self.most, self.pending)
        try:
            event = await self.events.get()
        finally:
            self.pending -= 1
        if isinstance(event, BaseException):
            raise event
        return event

    async def stop(self) -> None:
        if self.receiver.end(1000, ""):
            await self.receiver.stopped()


class Source:
    """Somebody else in the mailbox."""

    done = False

    def __init__(self) -> None:
        self.said: list[Any] = []

    def open(self, wake: Any, bound: int) -> None:
        self.wake = wake

    def say(self, message: Any) -> None:
        self.said.append(message)
        self.wake()

    def take(self) -> Any:
        return self.said.pop(0) if self.said else None

    async def close(self) -> None:
        pass


LEAVES = {"type": "websocket.disconnect", "code": 1001, "reason": "tab"}


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def reading(line: Line) -> asyncio.Future[Any]:
    """The handler, who has read before, asks for a message; the test goes on beside it."""
    return asyncio.ensure_future(anext(aiter(line.receiver)))


async def test_messages_are_read_one_at_a_time_by_whoever_iterates():
    line = Line("a", {"type": "websocket.receive", "bytes": b"b", "text": None}, "é" * 10)
    assert line.calls == 0
    assert aiter(line.receiver) is aiter(line.receiver)
    assert [await anext(line.receiver) for _ in range(3)] == ["a", b"b", "é" * 10]
    assert (line.calls, line.told, line.receiver.never_read) == (3, [], False)
    await line.stop()


async def test_events_that_are_none_of_ours_are_passed_over():
    line = Line({"type": "websocket.novelty"}, "a")
    assert await anext(line.receiver) == "a"
    line.receiver.read_ahead()
    line.push({"type": "websocket.novelty"}, "b")
    assert await anext(line.receiver) == "b"
    await line.stop()


@pytest.mark.parametrize(
    ("event", "left"),
    [
        (LEAVES, (1001, "tab")),
        ({"type": "websocket.disconnect"}, (1005, "")),
        ({"type": "websocket.disconnect", "code": None, "reason": None}, (1005, "")),
    ],
    ids=["told", "silent", "nones"],
)
async def test_leaving_is_raised_again_and_again(event, left):
    line = Line(event)
    for _ in range(2):
        with pytest.raises(WSDisconnect) as leaving:
            await anext(line.receiver)
        assert (leaving.value.code, leaving.value.reason) == left
    assert line.receiver.left == left
    assert line.told == ["left"], "nothing was unread: it does not come back for anything"
    assert line.receiver.leave(1, "again") == left, "the first telling counts"
    await line.stop()


async def test_a_read_that_is_cancelled_takes_nothing_along():
    line = Line()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await anext(line.receiver)
    line.push("a")
    assert await anext(line.receiver) == "a"
    await line.stop()


async def test_two_tasks_must_not_read_at_once():
    line = Line()
    first = asyncio.create_task(anext(line.receiver))  # type: ignore[arg-type]
    await turns()
    with pytest.raises(RuntimeError, match="another task is reading this receiver already"):
        await anext(line.receiver)
    line.push("a")
    assert await first == "a"
    await line.stop()


async def test_two_tasks_must_not_read_directly_at_once():
    line = Line("a")
    assert await anext(line.receiver) == "a"
    second = reading(line)
    await turns()
    with pytest.raises(RuntimeError, match="another task"):
        await anext(line.receiver)
    with pytest.raises(RuntimeError, match="nothing can join its mailbox meanwhile"):
        line.receiver.mailbox.on_open()
    line.receiver.read_ahead()
    assert line.most == 1
    line.push("b")
    assert await second == "b"
    await line.stop()


async def test_an_event_with_neither_text_nor_bytes_is_the_end():
    line = Line({"type": "websocket.receive"}, "a")
    for _ in range(2):
        with pytest.raises(CloseWith) as order:
            await anext(line.receiver)
        assert order.value.code == 1011
    assert line.receiver.look(1.0) == "trouble"
    await line.stop()


async def test_reading_ahead_ends_when_the_handler_reads_again_without_help():
    line = Line("a")
    assert await anext(line.receiver) == "a"
    line.receiver.look(1.0)  # something was heard
    line.receiver.look(1.25)
    await turns()
    assert line.pending == 0
    line.receiver.look(1.5)  # busy for two looks: somebody reads for it
    await turns()
    assert line.pending == 1
    line.push("b", "c")
    await turns()
    assert [await anext(line.receiver), await anext(line.receiver)] == ["b", "c"]
    waiting = reading(line)
    await turns()
    line.push("d")
    assert await waiting == "d"
    await turns()
    assert line.pending == 0, "nobody reads ahead any more"
    line.push("e")
    assert await anext(line.receiver) == "e"
    assert line.most == 1
    await line.stop()


async def test_a_look_between_two_reads_changes_nothing():
    line = Line("a", "b")
    assert await anext(line.receiver) == "a"
    line.receiver.look(1.0)
    assert await anext(line.receiver) == "b"
    line.receiver.look(1.25)
    await turns()
    assert line.pending == 0
    await line.stop()


async def test_a_handler_that_reads_in_a_task_of_its_own_is_read_for_lastingly():
    line = Line()
    reading = asyncio.create_task(anext(line.receiver))  # type: ignore[arg-type]
    await turns()
    line.push("a")
    assert await reading == "a"
    await turns()
    assert line.pending == 1
    reading = asyncio.create_task(anext(line.receiver))  # type: ignore[arg-type]
    await turns()
    await line.stop()
    with pytest.raises(WSDisconnect):
        await reading
    assert line.pending == 0


@pytest.mark.parametrize("fresh", [False, True], ids=["goes on", "begins again"])
async def test_a_handler_that_hands_its_reading_over_to_a_task_is_read_for_lastingly(fresh):
    """As one does that reads who the client is, and leaves the rest to a task."""
    line = Line("a")
    assert await anext(line.receiver) == "a"
    if fresh:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await anext(line.receiver)
    elsewhere = asyncio.create_task(anext(line.receiver))  # type: ignore[arg-type]
    await turns()
    line.receiver.mailbox.on_open()  # something may join
    line.push("b")
    assert await elsewhere == "b"
    await turns()
    elsewhere = asyncio.create_task(anext(line.receiver))  # type: ignore[arg-type]
    await turns()
    assert line.pending == 1
    await line.stop()
    assert line.pending == 0
    with pytest.raises(WSDisconnect):
        await elsewhere


@pytest.mark.parametrize("error", [RuntimeError("broken"), asyncio.CancelledError()], ids=["error", "stray cancellation"])
async def test_a_receive_that_fails_is_the_clients_leaving(caplog, error):
    line = Line(error)
    line.receiver.read_ahead()
    await turns()
    assert line.receiver.left == (1006, "")
    assert line.told == ["left"]
    assert "the server's receive failed" in caplog.text
    line.receiver.read_ahead()
    await turns()
    assert line.calls == 1
    await line.stop()


async def test_a_message_that_is_too_large_is_the_end_whoever_reads():
    for ahead in (False, True):
        line = Line("ok", "x" * 11, max_message_bytes=10)
        if ahead:
            line.receiver.mailbox.on_open()
            await turns(10)
        assert await anext(line.receiver) == "ok"
        with pytest.raises(CloseWith, match="a message may have 10 bytes"):
            await anext(line.receiver)
        assert line.told == (["trouble"] if ahead else [])
        assert line.receiver.look(1.0) == "trouble"


@pytest.mark.parametrize(
    ("message", "size"),
    [("x" * 10, 10), ("é" * 5, 10), (b"x" * 10, 10), (b"\xff" * 10, 10), ("\ud800" * 3, 9)],
    ids=["ascii", "utf-8", "bytes", "bytes that are no ascii", "what no server sends"],
)
@pytest.mark.parametrize("ahead", [False, True], ids=["directly", "ahead"])
async def test_a_message_is_measured_in_bytes_and_may_have_exactly_the_limit(message, size, ahead):
    key = "text" if isinstance(message, str) else "bytes"
    for limit in (size, size - 1):
        line = Line({"type": "websocket.receive", key: message}, max_message_bytes=limit)
        if ahead:
            line.receiver.read_ahead()
            await turns()
        if limit == size:
            assert await anext(line.receiver) == message
        else:
            with pytest.raises(CloseWith) as over:
                await anext(line.receiver)
            assert over.value.code == 1009
        await line.stop()


async def test_what_others_said_is_dropped_when_the_client_has_left_and_its_own_is_not():
    line, source = Line("a"), Source()
    line.receiver.mailbox.open("s", source, 1)
    source.say({"type": "said"})
    await turns()
    line.push(LEAVES)
    await turns()
    assert await anext(line.receiver) == "a"
    with pytest.raises(WSDisconnect):
        await anext(line.receiver)
    assert line.told == ["left", "back"]
    await line.stop()


@pytest.mark.parametrize(
    ("event", "error", "code"),
    [(LEAVES, WSDisconnect, 1000), ({"type": "websocket.receive"}, CloseWith, 1011)],
    ids=["the client had left", "there was trouble"],
)
async def test_after_the_end_the_end_is_told_whatever_was_before(event, error, code):
    line = Line(event)
    with pytest.raises(error):
        await anext(line.receiver)
    line.receiver.end(code, "over")
    with pytest.raises(WSDisconnect) as ended:
        await anext(line.receiver)
    assert (ended.value.code, ended.value.reason) == (code, "over")


async def test_after_the_end_nobody_asks_the_server_again():
    line = Line()
    line.receiver.end(1000, "over")
    line.receiver.read_ahead()
    with pytest.raises(WSDisconnect):
        async with asyncio.timeout(1):
            await anext(line.receiver)
    await turns()
    assert line.calls == 0


async def test_after_the_end_it_holds_its_conversation_no_more():
    class Conversation:
        def hear(self, what: str) -> None: ...

    line, conversation = Line(), Conversation()
    receiver = Receiver(line.receive, default_limits(), asyncio.current_task(), 0.0, conversation.hear)  # type: ignore[arg-type]
    held = weakref.ref(conversation)
    del conversation
    assert held() is not None
    receiver.end(1000, "")
    gc.collect()
    assert held() is None


async def test_whoever_reads_ahead_asks_no_more_when_the_client_has_left():
    line = Line("a", LEAVES)
    line.receiver.read_ahead()
    await turns(10)
    assert (line.calls, line.pending, line.receiver.left) == (2, 0, (1001, "tab"))
    await line.stop()


async def test_stopped_waits_until_no_receive_is_pending():
    line = Line()
    line.receiver.read_ahead()
    await turns()
    assert line.pending == 1
    assert line.receiver.end(1000, "") is True
    await line.receiver.stopped()
    assert line.pending == 0


async def test_whoever_has_left_is_not_idle():
    line = Line(LEAVES, idle_s=10)
    with pytest.raises(WSDisconnect):
        await anext(line.receiver)
    line.receiver.look(1.0)
    assert line.receiver.look(100.0) is None
    await line.stop()


@virtual_time
async def test_whoever_never_said_a_word_is_idle():
    line = Line(idle_s=10)
    assert (line.receiver.look(9.9), line.receiver.look(10.0)) == (None, "idle")
    await line.stop()


@virtual_time
async def test_what_is_read_ahead_breaks_the_silence_too():
    line = Line(idle_s=10)
    begun = asyncio.get_running_loop().time()
    line.receiver.read_ahead()
    await asyncio.sleep(100)
    line.push("a")
    await turns()
    assert (line.receiver.look(begun + 109), line.receiver.look(begun + 110)) == (None, "idle")
    await line.stop()


async def test_while_others_speak_somebody_reads_on_beside_the_handler():
    """It listens to all of them at once, so it never waits for the client alone."""

    line, source = Line("hi"), Source()
    assert await anext(line.receiver) == "hi"
    line.receiver.mailbox.open("s", source, 1)
    for word in "ab":
        reading = asyncio.ensure_future(anext(line.receiver))
        await turns()
        line.push(word)
        assert await reading == word
        await turns()
        assert line.pending == 1
    reading = asyncio.ensure_future(anext(line.receiver))
    await turns()
    source.say({"type": "said"})
    async with asyncio.timeout(1):
        assert await reading == {"type": "said"}
    await line.stop()


async def test_whoever_reads_directly_needs_nobody_ahead():
    line = Line("a")
    assert await anext(line.receiver) == "a"
    waiting = reading(line)
    await turns()
    line.receiver.read_ahead()
    await turns()
    assert line.calls == 2
    line.push("b")
    assert await waiting == "b"
    await line.stop()


async def test_reading_ahead_stops_at_its_bounds_and_goes_on_with_room():
    line = Line(*"abcdef", max_unread=2)
    line.receiver.read_ahead()
    line.receiver.read_ahead()
    await turns(10)
    assert (line.calls, line.most) == (2, 1)
    assert await anext(line.receiver) == "a"
    await turns(10)
    assert line.calls == 3
    await line.stop()


@virtual_time
async def test_full_for_too_long_without_ever_reading_is_send_only(caplog):
    line = Line(*"abcdef", LEAVES, max_unread=2, unread_s=5)
    line.receiver.read_ahead()
    await turns(10)
    loop = asyncio.get_running_loop()
    assert line.receiver.look(loop.time()) is None
    assert not line.receiver.send_only
    assert line.receiver.look(loop.time() + 4.9) is None
    assert not line.receiver.send_only
    assert line.receiver.look(loop.time() + 5) is None
    assert line.receiver.send_only
    assert "taken as send-only, 2 messages discarded" in caplog.text
    await turns(20)
    assert (line.receiver.discarded, line.receiver.left, line.told) == (6, (1001, "tab"), ["left"])
    with pytest.raises(RuntimeError, match="this conversation only sends"):
        await anext(line.receiver)
    await line.stop()


@virtual_time
async def test_full_for_too_long_after_reading_is_stuck():
    line = Line("a", max_unread=1, stuck_s=5)
    assert await anext(line.receiver) == "a"
    line.receiver.read_ahead()
    line.push("b")
    await turns(10)
    now = asyncio.get_running_loop().time()
    assert (line.receiver.look(now + 4.9), line.receiver.look(now + 5)) == (None, "stuck")
    await line.stop()


@virtual_time
async def test_idle_is_silence_not_business():
    line = Line("a", idle_s=10)
    loop = asyncio.get_running_loop()
    assert await anext(line.receiver) == "a"
    assert line.receiver.look(loop.time()) is None
    waiting = reading(line)
    await turns()
    assert line.receiver.look(loop.time() + 5) is None
    assert line.receiver.look(loop.time() + 16) == "idle"
    line.push("b")
    assert await waiting == "b"
    assert line.receiver.look(loop.time() + 17) is None
    await line.stop()


async def test_reads_false_is_read_for_at_the_first_look():
    line = Line("a", "b", reads=False)
    line.receiver.look(1.0)
    await turns(10)
    assert line.receiver.discarded == 2
    await line.stop()


async def test_a_conversation_that_needed_no_mailbox_has_nothing_to_close():
    line = Line()
    assert line.receiver.is_alone
    assert list(line.receiver.sources()) == []
    assert line.receiver.end(1000, "") is False
    await line.receiver.stopped()
    line.receiver.mailbox.hush()
    assert not line.receiver.is_alone
    assert list(line.receiver.sources()) == []
    await line.stop()


async def test_whoever_still_reads_is_not_alone():
    line = Line("a", LEAVES)
    messages = aiter(line.receiver)
    assert await anext(messages) == "a"
    assert not line.receiver.is_alone
    with pytest.raises(WSDisconnect):
        await anext(messages)
    assert line.receiver.is_alone
    assert line.receiver.end(1000, "") is False, "there is nothing to wait for"


async def test_a_receive_that_fails_in_a_direct_read_is_leaving(caplog):
    line = Line(OSError("reset"))
    for _ in range(2):
        with pytest.raises(WSDisconnect) as told:
            await anext(line.receiver)
        assert told.value.code == 1006
    assert line.told == ["left"]
    assert caplog.text.count("the server's receive failed") == 1
    assert line.calls == 1
    await line.stop()


@virtual_time
async def test_a_handler_that_is_busy_after_reading_ahead_ended_is_read_ahead_of_again():
    line = Line("a")
    assert await anext(line.receiver) == "a"
    line.receiver.look(1), line.receiver.look(2), line.receiver.look(3)  # busy: somebody reads ahead
    waiting = reading(line)
    await turns()
    line.push("b")
    assert await waiting == "b"
    await turns()
    assert line.pending == 0, "and has ended"
    line.receiver.look(4)
    await turns()
    assert line.pending == 1
    await line.stop()


async def test_a_handler_that_waited_since_the_last_look_is_not_busy_yet():
    line = Line("a")
    assert await anext(line.receiver) == "a"
    line.receiver.look(1), line.receiver.look(2)
    line.receiver.read_ahead()
    waiting = reading(line)
    await turns()
    line.receiver.look(3)
    line.push("b")
    assert await waiting == "b"
    await turns()
    for now, pending in ((4, 0), (5, 1)):
        line.receiver.look(now)
        await turns()
        assert line.pending == pending
    await line.stop()


@virtual_time
async def test_who_comes_back_for_what_is_unread_is_told():
    line = Line("a", "b", LEAVES)
    line.receiver.read_ahead()
    await turns()
    assert line.told == ["left"]
    assert await anext(line.receiver) == "a"
    assert await anext(line.receiver) == "b"
    assert line.told == ["left", "back", "back"]
    await line.stop()


@pytest.mark.parametrize(
    ("line", "error", "times", "told"),
    [
        pytest.param(lambda: Line(LEAVES), WSDisconnect, 17, ["left", "deaf"], id="left"),
        pytest.param(lambda: Line(reads=False), RuntimeError, 16, ["deaf"], id="only sends"),
    ],
)
async def test_whoever_reads_on_for_ever_after_the_end_is_told_of_and_waits(line: Any, error: Any, times: int, told: Any):
    line, others = line(), 0

    async def live() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    living = asyncio.create_task(live())
    for number in range(times):
        with pytest.raises(error):
            async with asyncio.timeout(1):
                await anext(line.receiver)
        assert others >= number, "it lets others run in between"
    living.cancel()
    reading = asyncio.create_task(anext(line.receiver))
    await turns()
    assert line.told == told and not reading.done()
    reading.cancel()
    await asyncio.wait([reading])
    await line.stop()
