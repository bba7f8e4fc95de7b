"""The receiver: an async iterator over what a conversation hears. It awaits the server's ``receive`` directly; only while
something else must be heard too, or the handler is busy, a task reads ahead of it into the mailbox. Sends nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from ..errors import CloseWith, WSDisconnect
from ..types import AllLimits, Event, Message, Receive
from .mailbox import ClientQueue, SharedMailbox

__all__ = ["Receiver"]

log = logging.getLogger("shallot.websocket")

IDLE, IDLE_SEEN, FRESH, FRESH_SEEN, READING, READING_SEEN, SHARED = range(7)
"""Where the handler stands: not reading, not once yet, reading directly, or reading from the mailbox. A state is *seen*
when the watch has met it before without a read between: so the watch knows a busy handler, and a message costs two stores."""


class Receiver:
    """What a handler iterates. ``str`` and ``bytes`` come from the client, dicts from timers, feeds and channels.

    When the client has left, its last messages come first, then the iteration raises ``WSDisconnect``.
    """

    __slots__ = (
        "_ahead",
        "_escort",
        "_full_since",
        "_heard_at",
        "_limits",
        "_mailbox",
        "_max_bytes",
        "_over",
        "_owner",
        "_receive",
        "_room",
        "_safe_length",
        "_state",
        "_tell",
        "_waiting",
        "discarded",
        "left",
        "never_read",
        "send_only",
        "trouble",
    )

    def __init__(self, receive: Receive, limits: AllLimits, owner: asyncio.Task[Any], now: float, tell: Callable[[str], None], *, reads: bool = True) -> None:
        self._receive = receive
        self._limits = limits
        self._owner = owner
        self._tell = tell
        self._max_bytes = limits["max_message_bytes"]
        self._safe_length = self._max_bytes // 4  # no text of so few characters has too many bytes
        self._state = FRESH if reads else FRESH_SEEN
        self._mailbox: SharedMailbox | None = None
        self._ahead: asyncio.Task[None] | None = None
        self._escort = reads
        self._room: asyncio.Future[None] | None = None
        self._full_since: float | None = None
        self._heard_at = now
        self._waiting = False
        self._over: WSDisconnect | None = None
        self.never_read = True
        self.send_only = not reads
        self.left: tuple[int, str] | None = None
        self.trouble: CloseWith | None = None
        self.discarded = 0

    # ---- for the handler

    def __aiter__(self) -> Receiver:
        return self

    async def __anext__(self) -> Message:
        if self._state:  # anything but IDLE
            return await self._next()
        self._state = READING
        try:
            event = await self._receive()
        except Exception:
            event = _failed()
        finally:
            self._state = IDLE
        if event["type"] == "websocket.receive":
            text: str | None = event.get("text")
            if text is not None and len(text) <= self._safe_length:
                return text
        message = self._read_event(event)
        if message is None:
            return await Receiver.__anext__(self)
        return message[0]

    # ---- for the engine

    @property
    def mailbox(self) -> SharedMailbox:
        """Made when it is first needed: most conversations hear nobody but their client."""
        if self._mailbox is None:
            queue = ClientQueue(self._limits["max_unread"], self._limits["max_unread_bytes"])
            self._mailbox = SharedMailbox(queue, on_open=self._share)
        return self._mailbox

    def read_ahead(self) -> None:
        """Read in a task beside the handler from now on; it ends by itself when the handler can read again without help."""
        if self._state not in (READING, READING_SEEN) and self.left is None:
            self._state = SHARED
            if self._ahead is None:
                self._ahead = asyncio.create_task(self._read_ahead(self.mailbox))

    def leave(self, code: int | None, reason: str | None) -> tuple[int, str]:
        """The client has left. The first telling counts."""
        if self.left is not None:
            return self.left
        self.left = left = 1005 if code is None else int(code), reason or ""
        self._state = SHARED
        if self._mailbox is not None:
            self._mailbox.hush()
        self._tell("left")
        return left

    def look(self, now: float) -> str | None:
        """What the watch does four times a second. Returns the name of a limit that is passed."""
        if self.trouble is not None:
            return "trouble"
        state = self._state
        if state == IDLE_SEEN or state == FRESH_SEEN or (state == SHARED and self._ahead is None):
            self.read_ahead()  # busy since the last look: somebody must notice if the client leaves
        elif state == IDLE or state == FRESH or state == READING:
            self._state += 1
            self._heard_at = now
        if self._full_since is not None:
            if not self.never_read:
                return "stuck" if now - self._full_since >= self._limits["stuck_s"] else None
            if now - self._full_since >= self._limits["unread_s"]:
                self._become_send_only()
            return None
        idle_s = self._limits["idle_s"]
        return "idle" if idle_s is not None and now - self._heard_at >= idle_s and self.left is None else None

    def end(self, over: WSDisconnect) -> bool:
        """The conversation is over: whoever still reads gets ``over``. Is there anything to wait for (``stopped``)?"""
        self._over = over
        self._state = SHARED
        if self._mailbox is not None:
            self._mailbox.hush()
        return self._ahead is not None

    async def stopped(self) -> None:
        """Returns when no ``receive`` of ours is pending."""
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.wait([self._ahead])

    def sources(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What is left to close in the mailbox, one by one."""
        return iter(()) if self._mailbox is None else self._mailbox.shut()

    # ---- inside

    async def _next(self) -> Message:
        """The next message in any state but ``IDLE``."""
        if self.send_only:
            await asyncio.sleep(0)  # as below
            raise RuntimeError(
                "this conversation only sends: it was declared reads=False, or did not read while the client's messages filled its mailbox for unread_s; "
                "what the client said is discarded. Read sooner, or raise the limit unread_s"
            )
        if self._waiting or self._state in (READING, READING_SEEN):
            raise RuntimeError("another task is reading this receiver already; let one task read, and hand messages on")
        if self.never_read:
            self.never_read = False
            if asyncio.current_task() is not self._owner:
                self._escort = False  # read in a task of its own: the engine could not end a direct read there
                self.read_ahead()
        if self._state == SHARED:
            return await self._next_shared()
        self._state = IDLE
        return await Receiver.__anext__(self)

    async def _next_shared(self) -> Message:
        mailbox = self.mailbox
        while True:
            message = mailbox.take()
            if message is not None:
                if self.left is not None:
                    self._tell("back")
                self._make_room()
                return message
            over = self._over or self.trouble or (self.left and WSDisconnect(*self.left))
            if over:
                await asyncio.sleep(0)  # a handler that catches it, and asks again for ever, must not keep the loop to itself
                raise over.with_traceback(None)
            if self._ahead is None and not mailbox.shared:
                self._state = IDLE
                return await Receiver.__anext__(self)
            self._waiting = True
            try:
                await mailbox.wait()
            finally:
                self._waiting = False

    async def _read_ahead(self, mailbox: SharedMailbox) -> None:
        """Put what the client says into the mailbox, never more than its bounds, until it leaves or the handler needs no help."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                if mailbox.client.full and not self.send_only:
                    self._full_since = loop.time()
                    self._room = loop.create_future()
                    await self._room
                    continue
                message = self._read_event(await self._receive())
                if message is None:
                    continue
                self._heard_at = loop.time()
                if self.send_only:
                    self.discarded += 1
                    continue
                mailbox.put(*message)
                if self._escort and self._waiting and not mailbox.shared:
                    return
        except WSDisconnect:
            pass
        except CloseWith:
            self._tell("trouble")
        except Exception:
            self.leave(_failed()["code"], None)
        finally:
            self._ahead = None

    def _read_event(self, event: Event) -> tuple[str | bytes, int] | None:
        """A message and its size in bytes; ``None`` for an event that is none of ours. Leaving and excess are raised."""
        kind = event["type"]
        if kind == "websocket.disconnect":
            code, reason = self.leave(event.get("code"), event.get("reason"))
            raise WSDisconnect(code, reason)
        if kind != "websocket.receive":
            return None
        message: str | bytes | None = event.get("text")
        if message is None:
            message = event.get("bytes")
        if message is None:
            raise self._troubled(1011, "")  # the server broke the ASGI specification: neither text nor bytes
        size = len(message) if isinstance(message, bytes) or message.isascii() else len(message.encode(errors="surrogatepass"))
        if size > self._max_bytes:
            raise self._troubled(1009, f"a message may have {self._max_bytes} bytes")
        return message, size

    def _troubled(self, code: int, reason: str) -> CloseWith:
        """The conversation cannot go on, whatever the handler makes of the exception."""
        self._state = SHARED
        self.trouble = CloseWith(code, reason)
        return self.trouble

    def _share(self) -> None:
        """Something joins the mailbox."""
        if self._state in (READING, READING_SEEN):
            raise RuntimeError("another task is reading this receiver: nothing can join its mailbox meanwhile; let the handler's own task read")
        self.read_ahead()

    def _make_room(self) -> None:
        self._full_since = None
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _become_send_only(self) -> None:
        self.send_only = True
        self.discarded += self.mailbox.client.discard()
        log.warning("a conversation has not read for unread_s while its mailbox was full: taken as send-only, %d messages discarded", self.discarded)
        self._make_room()


def _failed() -> Event:
    """What a ``receive`` that raises means."""
    log.exception("the server's receive failed; taken as the client's leaving")
    return {"type": "websocket.disconnect", "code": 1006}
