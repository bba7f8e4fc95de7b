"""Hooks that cannot be called, or answer what is no answer."""

from collections.abc import AsyncIterator

from shallot import websocket, ws_accept, ws_send
from shallot.types import Accept, Effect, Receiver, WSScope


class ChatScope(WSScope):
    user: str


async def takes_nothing() -> None: ...


async def answers_yes(scope: WSScope) -> bool:
    return True


async def forgets_to_answer(scope: WSScope) -> None:
    ws_accept()


async def welcome(scope: WSScope) -> Accept:
    scope["user"] = "ann"  # error: mypy pyright
    return ws_accept("v1", {"x-version": 1})  # error: mypy pyright


async def farewell_in_words(scope: WSScope) -> int:
    return 5


async def undeclared_name(scope: ChatScope) -> Accept:
    scope["user"] = 5  # error: mypy pyright
    return ws_accept(subprotocols=["v1"])  # error: mypy pyright


@websocket(on_close=takes_nothing)  # error: mypy pyright
async def a(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield ws_send("hello")


@websocket(on_connect=answers_yes)  # error: mypy pyright
async def b(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield ws_send("hello")


@websocket(on_connect=forgets_to_answer)  # error: mypy pyright
async def c(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield ws_send("hello")


@websocket(on_disconnect=farewell_in_words)  # error: mypy pyright
async def d(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield ws_send("hello")


@websocket(on_close="goodbye")  # error: mypy pyright
async def e(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield ws_send("hello")


async def says_who(scope: ChatScope) -> None:
    print(scope["close"]["cause"])  # error: mypy pyright
    print(scope["close"]["by"] == "peer")  # error: mypy pyright
