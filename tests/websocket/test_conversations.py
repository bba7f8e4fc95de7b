"""Beginning, watching and draining; what a single conversation does is shown in test_engine."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from shallot import build_server
from shallot.effects import ws_accept, ws_send
from shallot.limits import default_limits
from shallot.testing import FakeServer, virtual_time, websocket_scope
from shallot.websocket import conversations as module
from shallot.websocket import websocket
from shallot.websocket.conversations import Conversations
from shallot.websocket.table import EffectTable


@websocket
async def silent(scope, receiver):
    async for message in receiver:
        yield ws_send(message)


def hall(conversations, endpoint=silent):
    async def app(scope, receive, send):
        await receive()
        response = await endpoint(scope)
        await conversations.converse(response["websocket"], dict(scope), receive, send, [(b"x-a", b"1")])

    return FakeServer(websocket_scope("/"), [{"type": "websocket.connect"}]), app


def make(**limits):
    return Conversations({**default_limits(), **limits}, EffectTable())


@virtual_time
async def test_the_accept_carries_subprotocol_and_headers():
    conversations = make()
    server, app = hall(conversations)
    server.start(app)
    await server.until(lambda: bool(server.sent), "the accept")
    assert server.sent == [{"type": "websocket.accept", "subprotocol": None, "headers": [(b"x-a", b"1")]}]
    assert len(conversations) == 1
    server.leave(1001)
    await server.end()
    assert len(conversations) == 0


@virtual_time
async def test_a_client_gone_before_the_accept_leaves_nothing_open():
    conversations = make(send_s=1)
    server, app = hall(conversations)
    server.stuck_after = 0
    await server.run(app)
    assert len(conversations) == 0
    server, app = hall(conversations)
    server.leave(1006)
    await server.run(app)
    assert len(conversations) == 0


@pytest.mark.parametrize("forgets", [True, False], ids=["a TaskGroup forgets its cancellation", "it does not"])
@virtual_time
async def test_the_same_on_every_python(monkeypatch, forgets):
    monkeypatch.setattr(module, "FORGETS", forgets)
    server, app = hall(make())
    server.start(app)
    await asyncio.sleep(1)
    server.push({"type": "websocket.receive", "text": "x"})
    await server.until(lambda: len(server.sent) == 2, "the echo")
    server.leave(1001)
    await server.end()
    assert server.sent[1] == ws_send("x")


@virtual_time
async def test_the_watch_stops_when_nobody_is_left_and_starts_again():
    conversations = make()
    for _ in range(2):
        server, app = hall(conversations)
        server.start(app)
        await asyncio.sleep(1)
        assert conversations._timer is not None
        server.leave(1001)
        await server.end()
        await asyncio.sleep(1)
        assert conversations._timer is None


@virtual_time
async def test_a_conversations_own_limits_are_over_the_apps():
    conversations = make(idle_s=100)
    server, app = hall(conversations, websocket(idle_s=3)(silent.__wrapped__))
    began = asyncio.get_running_loop().time()
    await server.run(app)
    assert asyncio.get_running_loop().time() - began < 5
    assert server.sent[-1]["code"] == 1001


@virtual_time
async def test_draining_closes_all_with_1012_and_waits():
    async def closed(scope):
        await asyncio.sleep(1)

    conversations = make()
    servers = [hall(conversations, websocket(on_close=closed)(silent.__wrapped__)) for _ in range(3)]
    for server, app in servers:
        server.start(app)
    await asyncio.sleep(0.1)
    await conversations.drain(5)
    assert len(conversations) == 0
    for server, _ in servers:
        await server.end()
        assert server.sent[-1] == {"type": "websocket.close", "code": 1012}


@virtual_time
async def test_draining_nothing_is_nothing():
    conversations = make()
    await conversations.drain(5)


@virtual_time
async def test_what_does_not_end_in_time_is_cancelled(caplog):
    async def slow(scope):
        await asyncio.sleep(1000)

    conversations = make(hook_s=500)
    server, app = hall(conversations, websocket(on_close=slow)(silent.__wrapped__))
    task = server.start(app)
    await asyncio.sleep(0.1)
    began = asyncio.get_running_loop().time()
    await conversations.drain(2)
    await asyncio.wait([task])
    assert task.cancelled()
    assert 2 <= asyncio.get_running_loop().time() - began < 2.5
    assert "1 conversations did not end within shutdown_s" in caplog.text


@virtual_time
async def test_what_is_cancelled_may_still_use_what_the_app_has():
    """The resources are left when this returns: not before the last words."""
    said = []

    async def slow(scope):
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1)
            said.append("last words")

    conversations = make(hook_s=500)
    server, app = hall(conversations, websocket(on_close=slow)(silent.__wrapped__))
    server.start(app)
    await asyncio.sleep(0.1)
    await conversations.drain(2)
    assert said == ["last words"]
    await server.end(raise_errors=False)


@virtual_time
async def test_what_does_not_end_even_then_is_left_alone():
    over = asyncio.Event()

    async def stubborn(scope):
        while not over.is_set():
            with suppress(asyncio.CancelledError):
                await over.wait()

    conversations = make(hook_s=5)
    server, app = hall(conversations, websocket(on_close=stubborn)(silent.__wrapped__))
    server.start(app)
    await asyncio.sleep(0.1)
    began = asyncio.get_running_loop().time()
    await conversations.drain(2)
    assert asyncio.get_running_loop().time() - began == 2 + 5
    over.set()
    await server.end(raise_errors=False)


@virtual_time
async def test_what_ends_at_the_last_moment_is_not_cancelled(caplog):
    over = asyncio.Event()

    async def slow(scope):
        await over.wait()

    conversations, loop = make(hook_s=500), asyncio.get_running_loop()
    server, app = hall(conversations, websocket(on_close=slow)(silent.__wrapped__))
    server.start(app)
    await asyncio.sleep(0.1)
    loop.call_at(loop.time() + 2 - 5e-10, over.set)  # for the loop that is at the same time
    await conversations.drain(2)
    await server.end()
    assert caplog.text == ""


def test_a_loop_that_was_closed_takes_only_its_own_watch_along():
    conversations = make()

    @websocket
    async def ticks(scope, receiver):
        while True:
            yield ws_send("tick")
            await asyncio.sleep(1)

    async def one_life():
        server, app = hall(conversations, ticks)
        server.after_leave = "swallow"
        server.start(app)
        await server.until(lambda: len(server.sent) == 2, "a tick")
        server.leave(1001)
        await server.end()
        assert len(conversations) == 0

    virtual_time(one_life)()
    virtual_time(one_life)()


@virtual_time
async def test_a_handshake_that_outlives_the_drain_is_denied():
    journal = []

    async def slow(scope):
        await asyncio.sleep(3)
        return ws_accept()

    @websocket(on_connect=slow)
    async def handler(scope, receiver):
        journal.append("began")
        yield

    async def on_stop(context):
        journal.append("stopped")
        await asyncio.sleep(5)

    app = build_server(handler, on_start=lambda context: {"a": 1}, on_stop=on_stop)
    life = FakeServer({"type": "lifespan", "asgi": {"version": "3.0"}}, [{"type": "lifespan.startup"}])
    life.start(app)
    await life.until(lambda: bool(life.sent), "start")
    server = FakeServer(websocket_scope("/"), [{"type": "websocket.connect"}])
    server.start(app)
    await asyncio.sleep(1)
    life.push({"type": "lifespan.shutdown"})
    await life.end(deadline_s=20)
    await server.end()
    assert journal == ["stopped"]
    assert server.sent == [{"type": "websocket.close", "code": 1000}]
