from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from shallot.testing import Denied, Socket, Unexpected, WrongEvent, virtual_time, websocket_scope
from shallot.testing.sockets import conversation

CONNECT = {"type": "websocket.connect"}
ACCEPT = {"type": "websocket.accept"}


def said(text: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": text}


def sending(*events: dict[str, Any], error: Exception | None = None, wait: bool = False) -> Any:
    """An app that sends ``events``, waits for the client to leave, and raises ``error``."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for event in events:
            await send(event)
        if wait:
            await receive()
        if error is not None:
            raise error

    return app


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


def opened(app: Any, **options: Any) -> AbstractAsyncContextManager[Socket]:
    scope = websocket_scope("/ws", subprotocols=options.pop("subprotocols", ()), extensions={"websocket.http.response": {}})
    return conversation(app, scope, **{"deadline_s": 5, "raise_errors": True, "after_leave": "raise", **options})


# ---- opening


async def test_the_accept_is_told() -> None:
    app = sending({**ACCEPT, "subprotocol": "v1", "headers": [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]}, wait=True)
    async with opened(app, subprotocols=["v0", "v1"]) as ws:
        assert ws.accepted == {"subprotocol": "v1", "headers": {"set-cookie": "a=1, b=2"}, "headers_list": [("set-cookie", "a=1"), ("set-cookie", "b=2")]}
    async with opened(echo) as ws:
        assert ws.accepted == {"subprotocol": None, "headers": {}, "headers_list": []}


async def test_a_subprotocol_that_was_not_offered_fails() -> None:
    with pytest.raises(Unexpected, match=r"^the app chose the subprotocol 'evil', which was not offered\n"):
        async with opened(sending({**ACCEPT, "subprotocol": "evil"}, wait=True), subprotocols=["v1"]):
            pass


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([{"type": "websocket.close"}], (403, {}, b"")),
        (
            [
                {"type": "websocket.http.response.start", "status": 401, "headers": [(b"content-type", b"application/json")]},
                {"type": "websocket.http.response.body", "body": b"[1", "more_body": True},
                {"type": "websocket.http.response.body", "body": b",2]"},
            ],
            (401, {"content-type": "application/json"}, b"[1,2]"),
        ),
    ],
    ids=["close", "response"],
)
async def test_a_denial_raises_and_carries_the_response(events: list[dict[str, Any]], expected: tuple[Any, ...]) -> None:
    with pytest.raises(Denied) as caught:
        async with opened(sending(*events)):
            pass
    response = caught.value.response
    assert (response["status"], response["headers"], response["body"]) == expected
    assert str(caught.value).startswith(f"the handshake was denied with {expected[0]}\nwebsocket /ws: the app has ended\nso far:\n  -> ")


async def test_an_app_that_fails_before_the_answer() -> None:
    with pytest.raises(KeyError):
        async with opened(sending(error=KeyError("oh"))):
            pass
    with pytest.raises(Unexpected, match=r"^the app ended without an answer to the handshake\n"):
        async with opened(sending()):
            pass


@pytest.mark.parametrize("error", [KeyError("oh"), None])
async def test_without_raising_it_is_a_500(error: Exception | None) -> None:
    with pytest.raises(Denied) as caught:
        async with opened(sending(error=error), raise_errors=False):
            pass
    assert caught.value.response["status"] == 500


@virtual_time
async def test_the_answer_has_a_deadline() -> None:
    with pytest.raises(Unexpected, match=r"^waited 0\.01 s for an accept or a denial\n"):
        async with opened(sending(wait=True), deadline_s=0.01):
            pass


# ---- talking


async def test_what_is_sent_and_expected() -> None:
    async with opened(echo) as ws:
        await ws.send("käse")
        await ws.send(b"\xff")
        await ws.send_json({"a": [1]})
        await ws.send(b"[2]")
        assert await ws.expect() == "käse"
        assert await ws.expect() == b"\xff"
        assert await ws.expect_json() == {"a": [1]}
        assert await ws.expect_json() == [2]
        assert [way for way, _ in ws.transcript[:4]] == ["in", "out", "in", "out"]
        assert ws.transcript[-1] == ("out", {"type": "websocket.send", "bytes": b"[2]"})


async def test_both_keys_may_be_there() -> None:
    async with opened(sending(ACCEPT, {**said("a"), "bytes": None}, {"type": "websocket.send", "text": None, "bytes": b"b"}, wait=True)) as ws:
        assert (await ws.expect(), await ws.expect()) == ("a", b"b")


async def test_only_text_and_bytes_can_be_sent() -> None:
    async with opened(echo) as ws:
        with pytest.raises(TypeError, match=r"^send: expected str or bytes, got dict; for JSON there is send_json$"):
            await ws.send({"a": 1})  # type: ignore[arg-type]


@virtual_time
async def test_nothing_comes_in_time() -> None:
    async with opened(echo, deadline_s=0.01) as ws:
        with pytest.raises(Unexpected) as caught:
            await ws.expect()
    lines = str(caught.value).splitlines()
    assert lines[0] == "waited 0.01 s for a message"
    assert "echo (test_sockets.py:" in lines[1]
    assert lines[2:] == ["so far:", f"  -> {CONNECT}", f"  <- {ACCEPT}"]


@pytest.mark.parametrize(
    ("event", "expectation", "text"),
    [
        ({"type": "websocket.close", "code": 4000, "reason": "no"}, "expect", "expected a message, got close 4000 'no'"),
        ({"type": "websocket.close"}, "expect_json", "expected a message, got close 1000 ''"),
        (said("[1"), "expect_json", "expected JSON, got '[1' (malformed JSON at byte 2)"),
        (said("hi"), "expect_close", "expected a close, got 'hi'"),
        ({"type": "websocket.send", "bytes": b"hi"}, "expect_close", "expected a close, got b'hi'"),
        (said("hi"), "expect_nothing", "expected nothing, got 'hi'"),
        ({"type": "websocket.close", "code": 1001}, "expect_nothing", "expected nothing, got close 1001 ''"),
    ],
)
async def test_something_else_comes(event: dict[str, Any], expectation: str, text: str) -> None:
    async with opened(sending(ACCEPT, event, wait=True)) as ws:
        with pytest.raises(Unexpected) as caught:
            await getattr(ws, expectation)()
    assert str(caught.value).splitlines()[0] == text


async def test_nothing_is_what_comes_at_once() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        for _ in range(20):
            await asyncio.sleep(0)
        await send(said("late"))
        await receive()

    async with opened(app) as ws:
        await ws.expect_nothing()
        await ws.send("go")
        with pytest.raises(Unexpected, match=r"^expected nothing, got 'late'"):
            await ws.expect_nothing()
        assert await ws.expect() == "late"
        await ws.expect_nothing()


@virtual_time
async def test_nothing_within_a_time() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        asyncio.get_running_loop().call_later(0.005, ticked.set)
        await ticked.wait()
        await send(said("tick"))
        await receive()

    ticked = asyncio.Event()
    async with opened(app) as ws:
        await ws.expect_nothing(within_s=0.001)
        await ws.send("go")
        await ws.expect_nothing()
        with pytest.raises(Unexpected, match=r"^expected nothing, got 'tick'"):
            await ws.expect_nothing(within_s=0.05)


async def test_the_app_may_not_run_too_far_ahead() -> None:
    async with opened(sending(ACCEPT, *(said(str(number)) for number in range(Socket.ahead + 5)), wait=True)) as ws:
        with pytest.raises(Unexpected):
            await ws.expect_nothing()
        assert len(ws.transcript) == 2 + Socket.ahead
        assert [await ws.expect() for _ in range(Socket.ahead + 5)] == [str(number) for number in range(Socket.ahead + 5)]


# ---- the app's close


async def test_the_apps_close() -> None:
    async with opened(sending(ACCEPT, said("a"), {"type": "websocket.close", "code": 4001, "reason": "bye"})) as ws:
        assert await ws.expect() == "a"
        assert await ws.expect_close() == {"code": 4001, "reason": "bye"}
    async with opened(sending(ACCEPT, {"type": "websocket.close", "reason": None})) as ws:
        assert await ws.expect_close(1000) == {"code": 1000, "reason": ""}


async def test_another_close() -> None:
    async with opened(sending(ACCEPT, {"type": "websocket.close", "code": 1011})) as ws:
        with pytest.raises(Unexpected, match=r"^expected close 1000, got close 1011 ''\n"):
            await ws.expect_close(1000)


async def test_an_app_that_ends_without_closing_is_1006() -> None:
    async with opened(sending(ACCEPT)) as ws:
        assert await ws.expect_close() == {"code": 1006, "reason": ""}
    async with opened(sending(ACCEPT, error=KeyError("oh")), raise_errors=False) as ws:
        assert await ws.expect_close(1006) == {"code": 1006, "reason": ""}


async def test_a_message_from_an_app_that_has_ended() -> None:
    async with opened(sending(ACCEPT)) as ws:
        with pytest.raises(Unexpected, match=r"^expected a message, but the app has ended\nwebsocket /ws: the app has ended\n"):
            await ws.expect()


async def test_a_close_from_an_app_that_has_failed() -> None:
    with pytest.raises(KeyError, match="oh"):
        async with opened(sending(ACCEPT, error=KeyError("oh"))) as ws:
            for expectation in (ws.expect, ws.expect_close):
                with pytest.raises(Unexpected, match=r"has ended: KeyError\('oh'\)") as caught:
                    await expectation()
                assert isinstance(caught.value.__cause__, KeyError)


async def test_what_is_sent_after_the_apps_close() -> None:
    async with opened(sending(ACCEPT, {"type": "websocket.close"})) as ws:
        await ws.send("lost")
        await ws.expect_close()
        with pytest.raises(Unexpected, match=r"^'late' cannot be sent: the conversation is over\n"):
            await ws.send("late")
        assert ("in", {"type": "websocket.receive", "text": "lost"}) not in ws.transcript


async def test_a_message_is_lost_where_the_close_was_not_read() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for event in (ACCEPT, {"type": "websocket.close"}):
            await receive()
            await send(event)
        await sent.wait()
        seen.append((await receive())["type"])
        more = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        assert not more.done()
        more.cancel()
        await asyncio.wait({more})

    seen: list[str] = []
    sent = asyncio.Event()
    async with opened(app) as ws:
        await ws.send("end")
        with pytest.raises(Unexpected, match=r"^expected nothing, got close 1000 ''\n"):
            await ws.expect_nothing()
        await ws.send("lost")
        sent.set()
    assert seen == ["websocket.disconnect"]


# ---- the client's close


@asynccontextmanager
async def watched(**options: Any) -> AsyncGenerator[tuple[Socket, list[dict[str, Any]]], None]:
    """A socket on an app that tells what it received."""
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        while not seen or seen[-1]["type"] != "websocket.disconnect":
            seen.append(await receive())

    async with opened(app, **options) as ws:
        yield ws, seen


async def test_leaving_the_block_leaves_the_socket() -> None:
    async with watched() as (ws, seen):
        await ws.send("first")
    assert seen == [{"type": "websocket.receive", "text": "first"}, {"type": "websocket.disconnect", "code": 1001, "reason": ""}]


async def test_leaving() -> None:
    async with watched() as (ws, seen):
        await ws.leave(1006)
        assert seen == []
    assert seen == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]


async def test_closing_waits_for_the_app() -> None:
    async with watched() as (ws, seen):
        await ws.close(4000, "enough")
        assert seen == [{"type": "websocket.disconnect", "code": 4000, "reason": "enough"}]
        with pytest.raises(Unexpected, match=r"^b'late' cannot be sent: the conversation is over\n"):
            await ws.send(b"late")
        with pytest.raises(Unexpected, match=r"^expected a close, but the app has ended\n"):
            await ws.expect_close()


async def deaf(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    await asyncio.get_running_loop().create_future()


@virtual_time
async def test_an_app_that_does_not_end() -> None:
    with pytest.raises(Unexpected, match=r"^waited 0\.01 s for the app to end\nwebsocket /ws: the app waits in .* > deaf \(test_sockets"):
        async with opened(deaf, deadline_s=0.01):
            pass
    with pytest.raises(Unexpected, match=r"^waited 0\.01 s for the app to end after the client's close\n"):
        async with opened(deaf, deadline_s=0.01) as ws:
            await ws.close()


async def test_what_the_app_raised_is_raised_at_the_end() -> None:
    app = sending(ACCEPT, wait=True, error=KeyError("oh"))
    with pytest.raises(KeyError, match="oh"):
        async with opened(app):
            pass
    async with opened(app, raise_errors=False):
        pass


async def test_a_failing_test_is_told_what_the_app_raised() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        async with opened(sending(ACCEPT, error=KeyError("oh"))) as ws:
            await ws.expect_nothing()
            raise ZeroDivisionError
    assert caught.value.__notes__ == ["The app had raised KeyError('oh')."]


async def test_a_failing_test_leaves_the_socket_as_well() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        async with watched() as (_, seen):
            raise ZeroDivisionError
    assert (seen[0]["type"], hasattr(caught.value, "__notes__")) == ("websocket.disconnect", False)


async def test_a_cancelled_test_leaves_nothing() -> None:
    started = asyncio.Event()

    async def test() -> None:
        async with opened(deaf):
            started.set()
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(test())
    await started.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(("after_leave", "expected"), [("raise", "OSError"), ("swallow", "nothing")])
async def test_sending_after_the_client_left(after_leave: str, expected: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        try:
            await send(said("late"))
            seen.append("nothing")
        except OSError:
            seen.append("OSError")
            raise

    seen: list[str] = []
    async with opened(app, after_leave=after_leave) as ws:
        await ws.close()
        assert ws.transcript[-1] == ("late", said("late"))
    assert seen == [expected]


async def test_a_wrong_event_is_raised_at_the_end() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        with pytest.raises(WrongEvent):
            await send({"type": "websocket.close", "code": 1005})

    with pytest.raises(WrongEvent, match=r"'code' must be 1000-1003"):
        async with opened(app):
            pass
