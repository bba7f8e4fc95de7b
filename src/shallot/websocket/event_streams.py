"""A conversation over Server-Sent Events: an HTTP exchange, seen by the engine as ASGI's ``websocket.receive`` and ``websocket.send``.
Knows the format of events and the places in channels; the engine knows nothing of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..codec.cursors import END, format_places
from ..codec.event_stream import format_event
from ..deadline import within
from ..types import AnyEffect, Conversation, Event, Message, Receive, Send, Tap

__all__ = ["COME_BACK", "KEEP_ALIVE_S", "Converse", "EventExchange", "converse_by_events"]

log = logging.getLogger("shallot.websocket")

Converse = Callable[[Conversation, Any, Receive, Send, list[tuple[bytes, bytes]]], Awaitable[None]]
"""``Conversations.converse``: accept a conversation, and drive it to its end."""

KEEP_ALIVE_S = 15.0
"""After so much silence a comment is sent, so that nobody between takes it for an end."""
COME_BACK = frozenset({1001, 1012, 1013})
"""Closes after which the client is to come again: idle, or the server goes away; it restarts; too slow. After any other the conversation is over."""


async def converse_by_events(converse: Converse, conversation: Conversation, request: Any, receive: Receive, send: Send, headers: Any, send_s: float) -> None:
    """Answer ``request`` with ``conversation`` as a stream of events; ``headers`` are the response's. A ``HEAD`` gets those, and nothing begins."""
    exchange = EventExchange(receive, send, send_s)
    if request["method"] == "HEAD":
        await exchange.decline(headers)
        return
    limits = {**conversation["limits"], "idle_s": None}  # nobody who cannot say anything is idle
    carried: Any = {**conversation, "limits": limits, "taps": [exchange.tap, *conversation["taps"]]}
    try:
        await converse(carried, request, exchange.receive, exchange.send, headers)
    finally:
        await exchange.end()


class EventExchange:
    """One response. ``receive`` and ``send`` are for the engine; ``tap``, inside of all others, sees what the handler hears and yields."""

    __slots__ = ("_heard", "_keeper", "_lock", "_lost", "_places", "_receive", "_said", "_send", "_send_s", "_spoke_at", "_stirred")

    def __init__(self, receive: Receive, send: Send, send_s: float) -> None:
        self._receive = receive
        self._send = send
        self._send_s = send_s
        self._lock = asyncio.Lock()
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeper: asyncio.Task[None] | None = None
        self._places: dict[str, str] = {}  # channel -> cursor; the one that moved last at the end
        self._heard: tuple[str, str, float] | None = None
        """The last message with a cursor, and when the handler got it: as long as it may yet be passed on, the client does not stand behind it."""
        self._said = ""
        self._spoke_at = 0.0
        self._stirred = asyncio.Event()

    # ---- for the engine

    async def receive(self) -> Event:
        """The client's leaving: all that it can ever say."""
        waiting = asyncio.ensure_future(self._until_left())
        try:
            await asyncio.wait({waiting, self._lost}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting.result()
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})  # granian: nothing may be pending when the response ends
        return {"type": "websocket.disconnect"}

    async def send(self, event: Event) -> None:
        match event["type"]:
            case "websocket.accept":
                await self._send({"type": "http.response.start", "status": 200, "headers": event["headers"]})
                await self._write({"comment": ""})
                self._keeper = asyncio.create_task(self._keep_alive())
            case "websocket.send":
                await self._write({"data": event["text"]})
            case _:
                await self._stop_keeper()
                code = event["code"]
                last = {} if code in COME_BACK else {"id": END}
                await self._write({"event": "close", "data": {"code": code, "reason": event.get("reason", "")}, **last}, more_body=False)

    async def end(self) -> None:
        """Nothing of this exchange runs any more."""
        await self._stop_keeper()
        self._lost.cancel()

    async def decline(self, headers: Any) -> None:
        """Headers, and no more."""
        for event in ({"type": "http.response.start", "status": 200, "headers": headers}, {"type": "http.response.body", "body": b""}):
            try:
                await within(self._send_s, self._pass_on(event))
            except (OSError, TimeoutError) as error:
                log.debug("the client left before the answer to HEAD: %r", error)

    @property
    def tap(self) -> Tap:
        return {"message": self._hear, "effect": self._see, "result": self._learn}

    # ---- what the handler hears and yields

    def _hear(self, scope: Any, message: Message) -> Message:
        if isinstance(message, Mapping) and message["type"].startswith("channel.") and "cursor" in message:
            self._settle()
            self._heard = message["channel"], message["cursor"], asyncio.get_running_loop().time()
        return message

    def _see(self, scope: Any, effect: AnyEffect) -> AnyEffect:
        if effect["type"] == "websocket.send" and effect.get("bytes") is not None:
            raise TypeError("websocket.send: Server-Sent Events carry text alone, not bytes; send ws_send('...') or ws_send_json(...) where the row lists GET")
        if effect["type"] == "websocket.send":
            self._settle()
        return effect

    def _learn(self, scope: Any, effect: AnyEffect, result: Any) -> None:
        if isinstance(result, Exception):
            return
        match effect:
            case {"type": "channel.subscribe", "channel": channel}:
                self._place(channel, result["cursor"])
                self._stirred.set()  # soon the client shall know where it stands, even if nothing is ever said there
            case {"type": "channel.unsubscribe", "channel": channel}:
                self._settle()
                self._places.pop(channel, None)
            case _:
                pass

    def _settle(self, after_s: float = 0.0) -> None:
        """The handler has gone on from what it heard last, or has been silent about it for ``after_s``."""
        if self._heard is not None and asyncio.get_running_loop().time() >= self._heard[2] + after_s:
            channel, cursor, _ = self._heard
            self._heard = None
            self._place(channel, cursor)

    def _place(self, channel: str, cursor: str) -> None:
        self._places.pop(channel, None)
        self._places[channel] = cursor

    # ---- sending

    async def _write(self, event: Mapping[str, Any], *, more_body: bool = True) -> None:
        """Send ``event`` with the latest place, if that is news. One at a time: the keeper speaks beside the engine."""
        async with self._lock:
            place = format_places(self._places) if self._places else ""
            if place != self._said and "id" not in event:
                event, self._said = {**event, "id": place}, place
            await self._send({"type": "http.response.body", "body": format_event(event), "more_body": more_body})
            self._spoke_at = asyncio.get_running_loop().time()

    async def _keep_alive(self) -> None:
        """Say something whenever nobody else did for ``KEEP_ALIVE_S``; and by an event ``place``, empty but for its id, where the client stands as soon
        as it stands anywhere: what is said while it is cut off before the first message must not be lost."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    async with asyncio.timeout_at(self._spoke_at + KEEP_ALIVE_S):
                        await self._stirred.wait()
                except TimeoutError:
                    pass
                self._stirred.clear()
                self._settle(KEEP_ALIVE_S)
                is_news = bool(self._places) and format_places(self._places) != self._said
                if is_news or loop.time() >= self._spoke_at + KEEP_ALIVE_S:
                    await within(self._send_s, self._write({"event": "place"} if is_news else {"comment": ""}))
        except Exception as error:
            log.debug("the client left while nothing was said: %r", error)
            self._lost.set_result(None)

    async def _stop_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})

    # ---- inside

    async def _until_left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _pass_on(self, event: Event) -> None:
        await self._send(event)
