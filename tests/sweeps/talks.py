"""Scenes of conversations: accepted, denied, closed by either side, with timers, feeds and channels, over WebSockets and as Server-Sent Events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from shallot import (
    WSDisconnect,
    after,
    build_server,
    cancel,
    every,
    feed,
    history,
    members,
    publish,
    subscribe,
    unfeed,
    unsubscribe,
    websocket,
    ws_close,
    ws_send,
)
from shallot.channels import memory_channels
from shallot.middlewares import apply_middleware, wrap_routes
from shallot.response import text, ws_accept
from shallot.testing import http_scope, websocket_scope
from shallot.websocket.generators import close_generator

from .points import Sweep
from .servers import SlowServer, acting, converse, exchange, lifespan, pause

TOPICS: Any = {"*": {"presence": True, "keep": 10}}


async def plain(request: Any) -> Any:
    return text("plain")


class Room:
    """An app with one conversation, whose hooks note that they ran, and wait."""

    def __init__(self, handler: Any, *, connect: Any = None, channels: Any = None, limits: Any = None, pile: Any = (), **own: Any) -> None:
        self.heard: list[str] = []

        async def on_connect(scope: Any) -> Any:
            await pause()
            return connect or ws_accept()

        async def noted(scope: Any, receiver: Any) -> AsyncIterator[Any]:
            self.heard.append("begin")
            talk = handler(scope, receiver)
            step = talk.asend(None)
            try:
                while True:
                    effect = await step
                    try:
                        result = yield effect
                    except GeneratorExit:
                        await close_generator(talk)
                        raise
                    except BaseException as error:  # handed on
                        step = talk.athrow(error)
                    else:
                        step = talk.asend(result)
            except StopAsyncIteration:
                pass
            finally:
                self.heard.append("finally")

        endpoint = websocket(on_connect=on_connect, on_disconnect=self._noting("on_disconnect"), on_close=self._noting("on_close"), **own)(noted)
        routes = [("/", ["WS", "GET"], endpoint), ("/plain", ["GET"], plain)]
        resources = {"channels": channels} if channels is not None else None
        self.app = build_server(apply_middleware(*pile, wrap_routes(routes))(plain), resources=resources, limits=limits)

    def _noting(self, name: str) -> Any:
        async def hook(scope: Any) -> Any:
            self.heard.append(name)
            await pause()
            return []

        return hook

    async def visit(self, sweep: Sweep, *said: str, **how: Any) -> SlowServer:
        return await converse(sweep, self.app, self.heard, [{"type": "websocket.receive", "text": word} for word in said], **how)


async def echo(scope: Any, receiver: Any) -> AsyncIterator[Any]:
    async for message in receiver:
        await pause()
        yield ws_send(message)


async def an_echo_whose_client_leaves(sweep: Sweep) -> None:
    await Room(echo).visit(sweep, "a", "b", acts={2: SlowServer.leave})


async def an_echo_that_idles(sweep: Sweep) -> None:
    await Room(echo, idle_s=3).visit(sweep, "a")


async def a_refusal(sweep: Sweep) -> None:
    await Room(echo, connect={"status": 401, "body": b"no"}).visit(sweep)


async def a_close_by_the_handler(sweep: Sweep) -> None:
    async def closes(scope: Any, receiver: Any) -> AsyncIterator[Any]:
        try:
            yield ws_send(await anext(receiver))
            yield ws_close(4000, "enough")
        finally:
            await pause()

    await Room(closes).visit(sweep, "a", "b")


async def a_handler_that_fails(sweep: Sweep) -> None:
    async def fails(scope: Any, receiver: Any) -> AsyncIterator[Any]:
        yield ws_send("a")
        await pause()
        raise RuntimeError("on purpose")

    sweep.allow("on purpose")
    await Room(fails).visit(sweep)


async def a_handler_that_only_sends(sweep: Sweep) -> None:
    async def ticks(scope: Any, receiver: Any) -> AsyncIterator[Any]:
        while True:
            yield ws_send("tick")
            await asyncio.sleep(0.2)

    await Room(ticks, reads=False).visit(sweep, "unheard", acts={2: SlowServer.leave}, after_leave="swallow")


async def a_send_that_blocks(sweep: Sweep) -> None:
    await Room(echo, send_s=2).visit(sweep, "a", "b", stuck_after=2)


async def a_farewell_to_one_who_left(sweep: Sweep) -> None:
    async def says_goodbye(scope: Any, receiver: Any) -> AsyncIterator[Any]:
        try:
            async for _ in receiver:
                pass
        except WSDisconnect:
            await pause()
            yield ws_send("nobody hears this")

    await Room(says_goodbye).visit(sweep, "a", acts={1: SlowServer.leave})


async def a_reader_of_its_own(sweep: Sweep) -> None:
    """As in the earlier tutorial: the handler reads in a task that it made itself."""

    async def with_a_task(scope: Any, receiver: Any) -> AsyncIterator[Any]:
        heard: asyncio.Queue[Any] = asyncio.Queue()

        async def read() -> None:
            async for message in receiver:
                heard.put_nowait(message)

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            while True:
                yield ws_send(await heard.get())

    await Room(with_a_task, linger_s=1).visit(sweep, "a", "b", acts={1: SlowServer.leave})


async def timeouts_within(sweep: Sweep) -> None:
    async def asks(scope: Any, receiver: Any) -> AsyncIterator[Any]:
        for _ in range(3):
            try:
                async with asyncio.timeout(0.5):
                    yield ws_send(await anext(receiver))
            except TimeoutError:
                yield ws_send("late")

    await Room(asks).visit(sweep, "a")


async def timers(sweep: Sweep) -> None:
    async def fires(scope: Any, receiver: Any) -> AsyncIterator[Any]:
        yield every(0.1, "tick")
        yield after(0.25, "end")
        async for message in receiver:
            if message["name"] == "end":
                yield cancel("tick")
                return
            yield ws_send("tick")

    await Room(fires).visit(sweep)


async def feeds(sweep: Sweep) -> None:
    closed: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(100):
                yield number
                await pause()
        finally:
            closed.append("feed")
            await pause()

    async def forwards(scope: Any, receiver: Any) -> AsyncIterator[Any]:
        yield feed("numbers", numbers())
        yield feed("more", numbers())
        async for message in receiver:
            yield ws_send(str(message["data"]))
            if message["data"] == 3:
                yield unfeed(message["name"])
                return

    await Room(forwards).visit(sweep)
    assert len(closed) <= 2


async def a_chat(sweep: Sweep) -> None:
    """Every effect of channels, with presence; afterwards nobody is left in the channel, and it still works."""

    async def chats(scope: Any, receiver: Any) -> AsyncIterator[Any]:
        yield subscribe("room", member={"id": "ann"})
        yield publish("room", {"text": "hello"})
        yield members("room")
        yield history("room")
        async for message in receiver:
            if message["type"] == "channel.message":
                yield ws_send(message["text"])
                break
        yield unsubscribe("room")
        yield subscribe("other", batch=10)
        await pause()

    channels = memory_channels(TOPICS)
    room = Room(chats, channels=channels)
    try:
        async with lifespan(room.app, deadline_s=60):
            await room.visit(sweep)
            await asyncio.sleep(30)  # the lease of a node that could not say goodbye
            assert not await channels.members("room")
            assert channels.stats()["readers"] == 0
            async with channels.subscription("room") as messages:
                await channels.publish("room", "still here")
                assert (await anext(messages))["data"] == "still here"
    except asyncio.CancelledError:
        if not sweep.struck:
            raise


async def a_shutdown(sweep: Sweep) -> None:
    """The app stops while the conversation goes on, and its task is cancelled meanwhile."""
    room = Room(echo, channels=memory_channels())
    life = SlowServer({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, [{"type": "lifespan.startup"}])
    life.start(room.app)
    await life.until(lambda: bool(life.sent), "the start")
    conversation = SlowServer(websocket_scope("/"), [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "a"}])
    with acting((1, lambda: life.push({"type": "lifespan.shutdown"}))):
        await sweep(room.app(conversation.scope, conversation.receive, conversation.send))
    life.push({"type": "lifespan.shutdown"})
    await life.end(deadline_s=60)
    assert room.heard.count("begin") == room.heard.count("finally") == room.heard.count("on_close") or room.heard == ["on_close"]


async def server_sent_events(sweep: Sweep) -> None:
    async def news(scope: Any, receiver: Any) -> AsyncIterator[Any]:
        yield subscribe("news")
        yield publish("news", 1)
        yield every(20, "tick")
        async for message in receiver:
            yield ws_send(message["type"])
            if message["type"] == "timer.fired":
                return

    room = Room(news, channels=memory_channels())
    async with lifespan(room.app, deadline_s=60):
        await exchange(sweep, room.app, http_scope(headers={"accept": "text/event-stream"}))
        assert room.heard.count("begin") == room.heard.count("finally") == room.heard.count("on_close") or not room.heard


async def server_sent_events_to_one_who_leaves(sweep: Sweep) -> None:
    async def ticks(scope: Any, receiver: Any) -> AsyncIterator[Any]:
        yield every(5, "tick")
        async for _ in receiver:
            yield ws_send("tick")

    room = Room(ticks)
    await exchange(sweep, room.app, http_scope(headers={"accept": "text/event-stream"}), acts={40: SlowServer.leave}, after_leave="swallow")
    assert room.heard.count("begin") == room.heard.count("finally") == room.heard.count("on_close") or room.heard == ["on_close"]


TALKS = {
    scene.__name__: scene
    for scene in (
        *(an_echo_whose_client_leaves, an_echo_that_idles, a_refusal, a_close_by_the_handler, a_handler_that_fails, a_handler_that_only_sends),
        *(a_send_that_blocks, a_farewell_to_one_who_left, a_reader_of_its_own, timeouts_within, timers, feeds, a_chat),
        *(a_shutdown, server_sent_events, server_sent_events_to_one_who_leaves),
    )
}
