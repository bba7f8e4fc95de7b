"""The server side of one ASGI connection, under a test's control: scripted events in, a record of what comes out, and the faults of real servers on request.

The client is built on it. Knows events and tasks; knows neither requests nor responses.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from ..types import ASGIApp, Event, Scope
from .conduct import FIRST, WrongEvent, check_event, next_state
from .failures import Unexpected, Way, tell

__all__ = ["AfterLeave", "ClientGone", "FakeServer"]

AfterLeave: TypeAlias = Literal["raise", "swallow", "block"]
"""What ``send`` does on a closed connection: as uvicorn, as hypercorn and granian, as a peer that vanished."""


_TURNS = 25
_MOST_TURNS = 10_000


class ClientGone(OSError):
    """``send`` on a closed connection (ASGI 2.4). A server does not take it for a fault of the app when it comes back out."""


class FakeServer:
    """One connection: ``receive`` hands out ``events`` (and what ``push`` adds), ``send`` records.

    ``after_leave`` is what ``send`` does once the connection is closed: ``"raise"`` an ``OSError`` (uvicorn, ASGI 2.4), ``"swallow"`` it
    silently (hypercorn, granian), or ``"block"`` for ever (a peer that vanished without a word). With ``stuck_after=n`` the first ``n``
    events pass and ``send`` blocks on the next, as with a peer that no longer reads, until ``release`` lets it go on or the connection is closed:
    then it does what ``after_leave`` says.

    The connection is closed as soon as ``leave`` is called, a scripted disconnect is handed out, or the app has sent its last event.
    ``receive`` then answers as servers do: an HTTP connection repeats ``http.disconnect``; a WebSocket tells its end once, then waits for ever (uvicorn
    may tell it twice: who waits for that hangs elsewhere).

    An event that no server may accept raises ``WrongEvent`` out of ``send`` (as ``RuntimeError`` from uvicorn), and once more from ``end``.

    What was seen, as data: ``sent`` (events that went out), ``late`` (events sent after the end), ``received`` (events handed out),
    ``receives`` (calls of ``receive``), ``pending`` and ``most_pending`` (calls of it that wait at the same time, now and at most),
    ``transcript`` (all of it in order, as pairs ``("in" | "out" | "late", event)``).

        >>> from .scopes import websocket_scope
        >>> async def app(scope, receive, send):
        ...     await receive()
        ...     await send({"type": "websocket.close", "code": 1008})
        >>> server = FakeServer(websocket_scope("/"), [{"type": "websocket.connect"}])
        >>> asyncio.run(server.run(app))
        >>> server.sent, server.receives
        ([{'type': 'websocket.close', 'code': 1008}], 1)
    """

    def __init__(self, scope: Scope, events: Iterable[Event] = (), *, after_leave: AfterLeave = "raise", stuck_after: int | None = None) -> None:
        if after_leave not in ("raise", "swallow", "block"):
            raise ValueError(f"FakeServer: after_leave must be 'raise', 'swallow' or 'block', not {after_leave!r}")
        self.scope = scope
        self.after_leave = after_leave
        self.stuck_after = stuck_after
        self.state = FIRST[scope["type"]]
        self.gone = False
        self.sent: list[Event] = []
        self.late: list[Event] = []
        self.received: list[Event] = []
        self.transcript: list[tuple[Way, Event]] = []
        self.wrong: list[WrongEvent] = []
        self.receives = self.pending = self.most_pending = 0
        self.task: asyncio.Task[None] | None = None
        self._incoming = deque(events)
        self._changed = asyncio.Event()

    # ---- what the app holds

    async def receive(self) -> Event:
        self.receives += 1
        self.pending += 1
        self.most_pending = max(self.most_pending, self.pending)
        self._tell()
        try:
            while not self._incoming:
                await self._changed.wait()
        finally:
            self.pending -= 1
        event = self._incoming.popleft()
        self.received.append(event)
        self.transcript.append(("in", event))
        if event["type"] in ("http.disconnect", "websocket.disconnect"):
            self.gone = True
        if event["type"] == "http.disconnect" and not self._incoming:
            self._incoming.append(event)
        self._tell()
        return event

    async def send(self, event: Event) -> None:
        if len(self.sent) % 64 == 63:
            await asyncio.sleep(0)  # an app that sends for ever must not keep the deadlines from coming
        while self.stuck_after is not None and len(self.sent) >= self.stuck_after and not self.closed:
            await self._changed.wait()
        if self.closed:
            await self._send_late(event)
            return
        try:
            state = next_state(self.state, event, self.scope.get("extensions") or {})
            check_event(event)
        except WrongEvent as error:
            self.wrong.append(error)
            raise
        before, self.state = self.state, state
        self.sent.append(event)
        self.transcript.append(("out", event))
        if self.closed:
            self._incoming.extend(_farewell(before, event))
        self._tell()

    # ---- what the test holds

    @property
    def closed(self) -> bool:
        """Nothing that the app sends reaches anybody any more."""
        return self.gone or self.state == "ended"

    def push(self, *events: Event) -> None:
        """Let more events arrive."""
        self._incoming.extend(events)
        self._tell()

    def leave(self, code: int = 1006, reason: str = "") -> None:
        """The client goes, now: its disconnect waits behind the events already pushed, and ``send`` does what ``after_leave`` says."""
        if not self.closed:
            self.gone = True
            self.push({"type": "http.disconnect"} if self.scope["type"] == "http" else {"type": "websocket.disconnect", "code": code, "reason": reason})

    def release(self, stuck_after: int | None = None) -> None:
        """Let blocked events go on: up to ``stuck_after`` in all, or every one."""
        self.stuck_after = stuck_after
        self._tell()

    def start(self, app: ASGIApp) -> asyncio.Task[None]:
        """Run ``app`` on this connection in a task of its own, with the context of the caller."""
        self.task = asyncio.ensure_future(self._serve(app))
        self.task.add_done_callback(lambda _: self._tell())
        return self.task

    async def run(self, app: ASGIApp, *, deadline_s: float = 5) -> None:
        """``start`` and ``end``: for a script that needs no hand on it."""
        self.start(app)
        await self.end(deadline_s=deadline_s)

    @property
    def is_over(self) -> bool:
        """The app was started and has ended."""
        return self.task is not None and self.task.done()

    @property
    def error(self) -> BaseException | None:
        """What escaped from the app, once it has ended."""
        if self.task is None or not self.task.done() or self.task.cancelled():
            return None
        return self.task.exception()

    async def end(self, *, deadline_s: float = 5, raise_errors: bool = True) -> None:
        """Wait until the app has ended. What it raised is raised here (unless not ``raise_errors``).

        An app that does not end is cancelled, and ``Unexpected`` says where it stood.
        """
        task = self._started()
        try:
            await self.until(task.done, "the app to end", deadline_s=deadline_s)
        finally:
            await self.stop(deadline_s=deadline_s)
        if raise_errors:
            task.result()
            for wrong in self.wrong:
                raise wrong

    async def stop(self, *, deadline_s: float = 5) -> None:
        """Let the app end by itself within 25 turns of the loop, or cancel it and wait at most ``deadline_s``. What it raises stays in ``error``."""
        task = self._started()
        for _ in range(_TURNS):
            if not task.done():
                await asyncio.sleep(0)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=deadline_s)
        if not task.done():
            raise Unexpected(self.tell(f"the app was cancelled {deadline_s:g} s ago and still runs"))
        self.error  # noqa: B018  # looked at, so that asyncio does not report it a second time

    async def until(self, condition: Callable[[], bool], what: str, *, deadline_s: float = 5) -> None:
        """Wait until ``condition()`` holds; it is asked again after each event, each ``push``, and the app's end. Else ``Unexpected``, after ``deadline_s``."""
        try:
            async with asyncio.timeout(deadline_s):
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            raise Unexpected(self.tell(f"waited {deadline_s:g} s for {what}")) from None

    async def settle(self) -> None:
        """Let the app do all that it can do at once: wait until 25 turns of the event loop in a row passed in which it neither took nor sent an event.

        What a timer, a thread or a socket would make it do later is not waited for. An app that finds no rest in 10,000 turns is ``Unexpected``.
        """
        quiet, seen = 0, (0, 0)
        for _ in range(_MOST_TURNS):
            before, seen = seen, (self.receives, len(self.transcript))
            quiet = quiet + 1 if seen == before else 0
            if quiet > _TURNS:
                return
            await asyncio.sleep(0)
        raise Unexpected(self.tell(f"the app found no rest in {_MOST_TURNS:,} turns of the event loop"))

    def tell(self, what: str) -> str:
        """``what``, where the app stands, and the last 20 events: the text of a failure."""
        return tell(what, self.scope, self.task, self.transcript)

    # ---- inside

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _started(self) -> asyncio.Task[None]:
        if self.task is None:
            raise RuntimeError("FakeServer: no app runs; call start or run first")
        return self.task

    async def _serve(self, app: ASGIApp) -> None:
        try:
            await app(self.scope, self.receive, self.send)
        except ClientGone:
            pass  # the server raised it, so the server takes it back (ASGI 2.4)

    async def _send_late(self, event: Event) -> None:
        self.late.append(event)
        self.transcript.append(("late", event))
        self._tell()
        if self.after_leave == "raise":
            raise ClientGone(f"{event.get('type')!r} was sent on a closed connection")
        if self.after_leave == "block":
            await asyncio.get_running_loop().create_future()


def _farewell(state: str, event: Event) -> list[Event]:
    """What ``receive`` still hands out after the app ended the connection with ``event`` in ``state``: as uvicorn does it."""
    if event["type"].startswith("http."):
        return [{"type": "http.disconnect"}]
    if event["type"].startswith("websocket."):
        was_open = state == "open"
        return [
            {"type": "websocket.disconnect", "code": event.get("code", 1000) if was_open else 1006, "reason": (event.get("reason") or "") if was_open else ""}
        ]
    return []
