"""Conversations that yield, take or are decorated with the wrong thing."""

from collections.abc import AsyncIterator, Iterator

from shallot import after, every, feed, websocket, ws_close, ws_send
from shallot.response import text
from shallot.types import Effect, Receiver, Request, WSScope


@websocket
async def yields_text(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield "hello"  # error: mypy pyright


@websocket
async def yields_a_response(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield text("hello")  # error: mypy pyright


@websocket
async def misspelt_message_key(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield {"type": "websocket.send", "txt": "hello"}  # error: mypy pyright


@websocket
async def unknown_kind(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield {"type": "websocket.sent", "text": "hello"}  # error: mypy pyright


@websocket
async def stray_key(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield {"type": "websocket.close", "code": 1000, "text": "bye"}  # error: mypy pyright


@websocket
async def reason_as_code(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield ws_close("bye")  # error: mypy pyright


@websocket
async def sends_a_number(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield ws_send(5)  # error: mypy pyright


@websocket
async def timer_without_name(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield after(5)  # error: mypy pyright


@websocket
async def swapped_timer_arguments(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield every("tick", 1)  # error: mypy pyright


@websocket
async def feed_of_a_list(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield feed("lines", ["a", "b"])  # error: mypy pyright


@websocket  # error: mypy pyright
async def no_receiver(scope: WSScope) -> AsyncIterator[Effect]:
    yield ws_send("hello")


@websocket  # error: mypy pyright
async def swapped(receiver: Receiver, scope: WSScope) -> AsyncIterator[Effect]:
    yield ws_send("hello")


@websocket  # error: mypy pyright
async def not_an_effect_at_all(scope: WSScope, receiver: Receiver) -> AsyncIterator[str]:
    yield "hello"


@websocket  # error: mypy pyright
async def answers_text(scope: WSScope, receiver: Receiver) -> str:
    return "hello"


@websocket  # error: mypy pyright
def plain_generator(scope: WSScope, receiver: Receiver) -> Iterator[Effect]:
    yield ws_send("hello")


@websocket
async def reads_with_for(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    for message in receiver:  # error: mypy pyright
        yield ws_send("hello")


@websocket
async def takes_every_message_for_text(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    async for message in receiver:
        yield ws_send(message.upper())  # error: mypy pyright


@websocket
async def says_text_and_reads_bytes(scope: WSScope, receiver: Receiver[str]) -> AsyncIterator[Effect]:
    async for message in receiver:
        yield ws_send(message.decode())  # error: mypy pyright


@websocket(on_conect=None)  # error: mypy pyright
async def misspelt_option(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield ws_send("hello")


@websocket(idle_s="60")  # error: mypy pyright
async def limit_as_text(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield ws_send("hello")


@websocket(body_bytes=1)  # error: mypy pyright
async def limit_of_the_app(scope: WSScope, receiver: Receiver) -> AsyncIterator[Effect]:
    yield ws_send("hello")


async def not_a_websocket(request: Request) -> None:
    await yields_text(request)  # error: mypy pyright
