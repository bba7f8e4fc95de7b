"""Conversations as one writes them."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Literal, TypedDict

from shallot import WSDisconnect, after, build_server, cancel, every, feed, unfeed, websocket, ws_accept, ws_close, ws_send, ws_send_json
from shallot.middlewares import apply_middleware, wrap_routes
from shallot.response import text
from shallot.types import Accept, AnyEffect, Effect, Message, Receiver, Response, Routes, SendClose, SendText, WSScope


class ChatScope(WSScope):
    """Keys of one's own come by subclassing, on hooks and handler alike."""

    user: str


class Kill(TypedDict):
    """An effect of one's own."""

    type: Literal["job.kill"]
    job: str


@websocket
async def echo(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    async for message in receiver:
        if isinstance(message, str | bytes):
            yield ws_send(message)
        if message == "exit":
            yield ws_close(1001, "bye")


@websocket
async def raw(scope: WSScope, receiver: Receiver[str]) -> AsyncGenerator[Effect, None]:
    async for message in receiver:
        yield {"type": "websocket.send", "text": message.upper()}
        yield {"type": "websocket.send", "bytes": message.encode()}
    yield {"type": "websocket.close", "code": 1000}


@websocket
async def with_parameters(scope: WSScope, receiver: Receiver, room: str, number: int) -> AsyncIterator[Effect]:
    yield every(1, "tick")
    yield after(5, "late")
    async for message in receiver:
        match message:
            case str(said):
                yield ws_send(f"{room} {number}: {said}")
            case {"type": "timer.fired", "name": "tick", "missed": int(missed)}:
                yield ws_send_json({"missed": missed})
                yield cancel("tick")
            case _:
                yield unfeed("lines")


async def lines() -> AsyncIterator[str]:
    yield "line"


@websocket
async def own_effect(scope: WSScope, receiver: Receiver, job: str) -> AsyncGenerator[Effect | Kill, Any]:
    yield feed("lines", lines())
    status = yield {"type": "job.kill", "job": job}
    print(status)


@websocket
async def any_effect(scope: WSScope, receiver: Receiver) -> AsyncGenerator[AnyEffect, Any]:
    position = yield {"type": "my.kind", "anything": object()}
    print(position)


@websocket
async def one_answer(scope: WSScope, receiver: Receiver) -> SendText:
    async for message in receiver:
        print(message)
        break
    return {"type": "websocket.send", "text": "thanks"}


@websocket
async def no_answer(scope: WSScope, receiver: Receiver) -> None:
    try:
        async for message in receiver:
            keep(message)
    except WSDisconnect as left:
        print(left.code, left.reason)


def keep(message: Message) -> None: ...


async def invited(scope: ChatScope) -> Accept | SendClose | Response:
    if "cookies" not in scope or "token" not in scope["cookies"]:
        return text("who are you?", 401)
    if scope["cookies"]["token"] == "old":
        return ws_close()
    scope["user"] = scope["cookies"]["token"]
    return ws_accept(subprotocol="v1", headers={"x-version": "1"})


def plain_invited(scope: ChatScope) -> Accept:
    return ws_accept()


async def gone(scope: ChatScope) -> None:
    if "close" in scope:
        print(scope["user"], scope["close"]["code"], scope["close"]["by"] == "server")


async def farewell(scope: ChatScope) -> list[Kill]:
    return [{"type": "job.kill", "job": scope["user"]}]


@websocket(on_connect=invited, on_disconnect=farewell, on_close=gone, reads=False, max_message_bytes=65536, idle_s=None)
async def chat(scope: ChatScope, receiver: Receiver, room: str) -> AsyncIterator[Effect]:
    yield ws_send(f"{scope['user']} in {room}")


@websocket(on_connect=plain_invited)
async def chat_again(scope: ChatScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield ws_send(scope["user"])


@websocket(max_unread=1)
async def without_hooks(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield ws_send("hello")


routes: Routes = [
    ("/echo", ["WS"], echo),
    ("/chat/{room}", ["WS"], chat, {"limits": {"idle_s": 60}}),
    ("/live", ["WS", "GET"], with_parameters),
]
app = build_server(apply_middleware(wrap_routes(routes))(echo))


async def called_like_any_handler(scope: ChatScope) -> Response:
    return await chat(scope, "lobby")
