from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shallot.testing import AfterLeave, ClientGone, FakeServer, Unexpected, WrongEvent, http_scope, virtual_time, websocket_scope

from .apps import sending

CONNECT = {"type": "websocket.connect"}
ACCEPT = {"type": "websocket.accept"}
CLOSE = {"type": "websocket.close"}
START = {"type": "http.response.start", "status": 200}
BODY = {"type": "http.response.body", "body": b"x"}
MORE = {**BODY, "more_body": True}

App = Callable[[Any, Any, Any], Awaitable[None]]


def said(text: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": text}


def heard(text: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": text}


def gone(code: int = 1006, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


def receiving(count: int) -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(count):
            await receive()

    return app


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})


async def forever(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.get_running_loop().create_future()


async def stubborn(scope: Any, receive: Any, send: Any) -> None:
    """Survives one cancellation."""
    try:
        await forever(scope, receive, send)
    except asyncio.CancelledError:
        await receive()


# ---- in and out


async def test_a_script_runs_and_is_recorded() -> None:
    server = FakeServer(websocket_scope(), [CONNECT, heard("a"), heard("b"), gone(1000)])
    await server.run(echo)
    assert server.sent == [ACCEPT, said("a"), said("b")]
    assert server.received == [CONNECT, heard("a"), heard("b"), gone(1000)]
    assert server.transcript == [
        *(("in", CONNECT), ("out", ACCEPT), ("in", heard("a")), ("out", said("a"))),
        *(("in", heard("b")), ("out", said("b")), ("in", gone(1000))),
    ]
    assert (server.receives, server.pending, server.most_pending, server.late) == (4, 0, 1, [])


async def test_events_may_come_in_any_order() -> None:
    server = FakeServer(http_scope(), [{"type": "http.disconnect"}, {"type": "http.request"}, CONNECT])
    await server.run(receiving(3))
    assert [event["type"] for event in server.received] == ["http.disconnect", "http.request", "websocket.connect"]


async def test_more_may_be_pushed_while_the_app_waits() -> None:
    server = FakeServer(websocket_scope(), [CONNECT])
    server.start(echo)
    await server.until(lambda: server.pending == 1, "the app to wait")
    server.push(heard("a"), heard("b"))
    await server.until(lambda: len(server.sent) == 3, "two answers")
    server.leave(1001, "bye")
    await server.end()
    assert server.received[-1] == gone(1001, "bye")


async def test_calls_of_receive_that_wait_at_the_same_time_are_counted() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.gather(receive(), receive())

    server = FakeServer(websocket_scope(), [CONNECT])
    server.start(app)
    await server.settle()
    assert (server.receives, server.pending, server.most_pending) == (3, 2, 2)
    server.push(heard("a"), heard("b"))
    await server.end()
    assert (server.pending, server.most_pending) == (0, 2)


async def test_a_cancelled_receive_loses_nothing() -> None:
    server = FakeServer(websocket_scope())
    waiting = asyncio.ensure_future(server.receive())
    await asyncio.sleep(0)
    server.push(heard("a"))
    waiting.cancel()
    await asyncio.wait({waiting})
    assert (waiting.cancelled(), server.pending) == (True, 0)
    assert await server.receive() == heard("a")


async def test_reading_ahead_shows() -> None:
    server = FakeServer(websocket_scope(), [CONNECT, *(heard(str(number)) for number in range(100))])
    server.start(receiving(11))
    await server.end()
    assert (server.receives, len(server.received)) == (11, 11)


# ---- the end of a connection


@pytest.mark.parametrize(
    ("scope", "events", "farewell"),
    [
        (websocket_scope(), [ACCEPT, CLOSE], gone(1000)),
        (websocket_scope(), [ACCEPT, {**CLOSE, "code": 4000, "reason": "enough"}], gone(4000, "enough")),
        (websocket_scope(), [{**CLOSE, "code": 1008, "reason": "no"}], gone(1006)),
        (
            websocket_scope(extensions={"websocket.http.response": {}}),
            [{"type": "websocket.http.response.start", "status": 401}, {"type": "websocket.http.response.body"}],
            gone(1006),
        ),
        (http_scope(), [START, BODY], {"type": "http.disconnect"}),
    ],
    ids=["close", "close with code", "close before accept", "denial", "response"],
)
async def test_after_the_apps_last_event_receive_tells_the_end(scope: Any, events: list[Any], farewell: dict[str, Any]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for event in events:
            await send(event)
        await receive()

    server = FakeServer(scope)
    await server.run(app)
    assert server.received == [farewell]
    assert server.closed


async def test_an_http_connection_repeats_its_disconnect() -> None:
    server = FakeServer(http_scope(), [{"type": "http.request"}, {"type": "http.disconnect"}])
    await server.run(receiving(4))
    assert [event["type"] for event in server.received] == ["http.request", *["http.disconnect"] * 3]


async def test_a_websocket_tells_its_end_once() -> None:
    server = FakeServer(websocket_scope(), [CONNECT, gone()])
    server.start(receiving(3))
    await server.settle()
    assert (server.receives, server.pending, len(server.received)) == (3, 1, 2)
    await server.stop()
    assert server.pending == 0


async def test_a_lifespan_ends_without_a_farewell() -> None:
    server = FakeServer({"type": "lifespan"}, [{"type": "lifespan.startup"}])
    await server.run(sending({"type": "lifespan.startup.failed", "message": "no"}))
    assert (server.closed, server.received) == (True, [])


async def test_a_scripted_disconnect_counts_when_it_is_handed_out() -> None:
    server = FakeServer(websocket_scope(), [CONNECT, gone()])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        with pytest.raises(ClientGone):
            await send(said("late"))

    await server.run(app)
    assert (server.sent, server.late) == ([ACCEPT], [said("late")])


async def test_leaving_counts_at_once_behind_what_was_pushed() -> None:
    server = FakeServer(http_scope(), [{"type": "http.request"}])
    server.leave()
    assert server.closed
    with pytest.raises(ClientGone, match=r"^'http.response.start' was sent on a closed connection$"):
        await server.send(START)
    assert [(await server.receive())["type"] for _ in range(3)] == ["http.request", "http.disconnect", "http.disconnect"]


async def test_only_the_first_leaving_counts() -> None:
    server = FakeServer(websocket_scope())
    server.leave(1001)
    server.leave(1006)
    closed = FakeServer(websocket_scope())
    await closed.send(ACCEPT)
    await closed.send(CLOSE)
    closed.leave(4000)
    for one, code in ((server, 1001), (closed, 1000)):
        assert (await one.receive())["code"] == code
        one.start(receiving(1))
        await one.settle()
        assert one.pending == 1
        await one.stop()


@pytest.mark.parametrize(("after_leave", "ends"), [("raise", True), ("swallow", True), ("block", False)])
async def test_what_send_does_after_the_client_left(after_leave: AfterLeave, ends: bool) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        try:
            await send(said("late"))
            seen.append("swallowed")
        except OSError:
            seen.append("raised")

    server = FakeServer(websocket_scope(), [CONNECT, gone()], after_leave=after_leave)
    task = server.start(app)
    await server.settle()
    assert (task.done(), server.late) == (ends, [said("late")])
    assert seen == {"raise": ["raised"], "swallow": ["swallowed"], "block": []}[after_leave]
    assert server.transcript[-1] == ("late", said("late"))
    await server.stop()


@pytest.mark.parametrize("after_leave", ["raise", "swallow"])
async def test_sending_after_the_own_close_is_the_same(after_leave: AfterLeave) -> None:
    server = FakeServer(websocket_scope(), after_leave=after_leave)
    await server.run(sending(ACCEPT, CLOSE, said("late")))
    assert (server.sent, server.late) == ([ACCEPT, CLOSE], [said("late")])


async def test_the_servers_own_error_is_no_fault_of_the_app() -> None:
    server = FakeServer(websocket_scope(), [gone()])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)

    await server.run(app)
    assert (server.error, server.late) == (None, [ACCEPT])


def test_an_unknown_way_to_end_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^FakeServer: after_leave must be 'raise', 'swallow' or 'block', not 'explode'$"):
        FakeServer(http_scope(), after_leave="explode")  # type: ignore[arg-type]


# ---- a peer that does not read


async def test_send_is_stuck_from_the_nth_event_on_until_it_is_released() -> None:
    server = FakeServer(http_scope(), stuck_after=2)
    task = server.start(sending(START, MORE, MORE, MORE, BODY))
    await server.settle()
    assert len(server.sent) == 2
    server.release(4)
    await server.settle()
    assert len(server.sent) == 4
    server.release()
    await server.end()
    assert (task.done(), len(server.sent)) == (True, 5)


@pytest.mark.parametrize(("after_leave", "ends"), [("raise", True), ("swallow", True), ("block", False)])
async def test_a_stuck_send_meets_the_end_of_the_connection(after_leave: AfterLeave, ends: bool) -> None:
    server = FakeServer(websocket_scope(), stuck_after=1, after_leave=after_leave)
    task = server.start(sending(ACCEPT, said("stuck")))
    await server.settle()
    assert (task.done(), server.late) == (False, [])
    server.leave()
    await server.settle()
    assert (task.done(), server.late) == (ends, [said("stuck")])
    await server.stop()


async def test_an_app_that_sends_for_ever_does_not_stop_the_clock() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        while True:
            await send(said("x"))

    server = FakeServer(websocket_scope())
    server.start(app)
    with pytest.raises(Unexpected, match=r"waited 0\.01 s for the app to end"):
        await server.end(deadline_s=0.01)


async def test_an_app_that_finds_no_rest() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        while True:
            await send(said("x"))
            await asyncio.sleep(0)

    restless = FakeServer(websocket_scope())
    restless.start(app)
    with pytest.raises(Unexpected, match=r"^the app found no rest in 10,000 turns of the event loop"):
        await restless.settle()
    await restless.stop()


# ---- what no server may accept


@pytest.mark.parametrize(
    ("events", "text"),
    [([BODY], "'http.response.body' was sent where"), ([{**START, "status": "200"}], "'status' must be an int from 200 to 599")],
    ids=["order", "value"],
)
async def test_a_wrong_event_raises_at_the_send_and_at_the_end(events: list[Any], text: str) -> None:
    async def careless(scope: Any, receive: Any, send: Any) -> None:
        for event in events:
            with pytest.raises(RuntimeError, match=text):
                await send(event)

    server = FakeServer(http_scope())
    with pytest.raises(WrongEvent, match=text):
        await server.run(careless)
    assert (server.sent, len(server.wrong)) == ([], 1)


# ---- the app's task


async def test_what_the_app_raised_is_raised_at_the_end() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("oh")

    server = FakeServer(http_scope())
    with pytest.raises(KeyError, match="oh"):
        await server.run(app)
    assert isinstance(server.error, KeyError)
    await server.end(raise_errors=False)


@virtual_time
async def test_an_app_that_does_not_end_is_cancelled_and_told_about() -> None:
    server = FakeServer(http_scope("GET", "/slow"))
    with pytest.raises(Unexpected) as caught:
        await server.run(forever, deadline_s=0.01)
    assert str(caught.value).startswith("waited 0.01 s for the app to end\nhttp /slow: the app waits in _serve (fakes.py:")
    assert " > forever (test_fakes.py:" in str(caught.value)
    assert str(caught.value).endswith("so far: nothing")
    assert (server.is_over, server.error) == (True, None)


@virtual_time
async def test_an_app_that_survives_its_cancellation_is_told_about() -> None:
    server = FakeServer(http_scope())
    server.start(stubborn)
    with pytest.raises(Unexpected, match=r"^the app was cancelled 0\.01 s ago and still runs"):
        await server.stop(deadline_s=0.01)
    await server.stop()
    assert server.is_over


async def test_stop_lets_an_app_end_that_is_about_to() -> None:
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(0)
        ended.append("by itself")

    server = FakeServer(websocket_scope())
    server.start(app)
    server.leave()
    await server.stop()
    assert ended == ["by itself"]


async def test_the_state_of_the_app() -> None:
    server = FakeServer(http_scope())
    assert (server.is_over, server.error) == (False, None)
    server.start(forever)
    assert (server.is_over, server.error) == (False, None)
    await server.stop()
    assert (server.is_over, server.error) == (True, None)


@pytest.mark.parametrize("wait", ["end", "stop"])
async def test_nothing_runs_yet(wait: str) -> None:
    with pytest.raises(RuntimeError, match=r"^FakeServer: no app runs; call start or run first$"):
        await getattr(FakeServer(http_scope()), wait)()


async def test_the_end_of_the_app_is_a_change() -> None:
    server = FakeServer(http_scope())
    task = server.start(receiving(0))
    await server.until(task.done, "the app to end")


@virtual_time
async def test_a_wait_tells_what_it_saw() -> None:
    server = FakeServer(websocket_scope("/chat"), [CONNECT])
    server.start(echo)
    with pytest.raises(Unexpected) as caught:
        await server.until(lambda: len(server.sent) > 1, "an answer", deadline_s=0.01)
    first, second, *rest = str(caught.value).splitlines()
    assert first == "waited 0.01 s for an answer"
    assert second.startswith("websocket /chat: the app waits in _serve (fakes.py:")
    assert rest == ["so far:", "  -> {'type': 'websocket.connect'}", "  <- {'type': 'websocket.accept'}"]
    await server.stop()


async def test_settling_waits_for_all_that_can_be_done_at_once() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        for number in range(50):
            for _ in range(20):
                await asyncio.sleep(0)
            await send(said(str(number)))

    server = FakeServer(websocket_scope())
    server.start(app)
    await server.settle()
    assert len(server.sent) == 51
    await server.end()
