"""The receiver: an async iterator over what a conversation hears. It awaits the server's ``receive`` directly; only while
something else must be heard too, or the handler is busy, a task reads ahead of it into the mailbox. Sends nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from types import AsyncGeneratorType
from typing import Any, cast

from ..errors import CloseWith, WSDisconnect, is_failure
from ..types import AllLimits, Event, Message, Receive
from .generators import MAX_READS_ON, SENDS_ONLY
from .mailbox import ClientQueue, SharedMailbox

__all__ = ["Receiver"]

log = logging.getLogger("shallot.websocket")


class Receiver:
    """What a handler iterates. ``str`` and ``bytes`` come from the client, dicts from timers, feeds and channels.

    When the client has left, its last messages come first, then the iteration raises ``WSDisconnect``.
    """

    __slots__ = (
        *("_ahead", "_escort", "_heard", "_heard_at", "_is_busy", "_limits", "_mailbox", "_messages"),
        *("_over", "_owner", "_receive", "_refusals", "_safe_length", "_shared", "_tell", "_waiting"),
        *("discarded", "left", "never_read", "send_only", "trouble"),
    )

    def __init__(self, receive: Receive, limits: AllLimits, owner: asyncio.Task[Any], now: float, tell: Callable[[str], None], *, reads: bool = True) -> None:
        self._receive = receive
        self._limits = limits
        self._owner = owner
        self._tell = tell
        self._safe_length = limits["max_message_bytes"] // 4  # no text of so few characters has too many bytes
        self._messages: AsyncGeneratorType[Message, None] | None = None
        self._shared = not reads
        self._heard, self._is_busy, self._waiting = False, not reads, False
        self._mailbox: SharedMailbox | None = None
        self._ahead: asyncio.Task[None] | None = None
        self._escort = reads
        self._heard_at = now
        self._over: tuple[int, str] | None = None
        self.never_read, self.send_only = True, not reads
        self.left: tuple[int, str] | None = None
        self.trouble: CloseWith | None = None
        self.discarded = self._refusals = 0

    # ---- for the handler

    def __aiter__(self) -> AsyncIterator[Message]:
        """The one generator of messages that is under way, or a new one: an exception, a time-out's cancellation too, has ended the last."""
        messages = self._messages
        if messages is None or messages.ag_frame is None:
            messages = self._messages = cast("AsyncGeneratorType[Message, None]", self._read())
        elif messages.ag_running:
            raise RuntimeError("another task is reading this receiver already; let one task read, and hand messages on")
        elif self._escort:
            self._see_who_reads()
        return messages

    async def __anext__(self) -> Message:
        return await self.__aiter__().__anext__()

    async def _read(self) -> AsyncGenerator[Message, None]:
        """One message after the other: directly from the server, or from the mailbox while it is shared."""
        self.never_read = False
        if self._escort:
            self._see_who_reads()
        receive, safe_length = self._receive, self._safe_length
        while True:
            if self._shared:
                mailbox = self._mailbox
                if mailbox is None or self._ahead is None or self.send_only or self.left or self._over:
                    message = await self._next_shared()
                else:  # somebody reads for us, and nothing that _next_shared would look at has happened
                    message = mailbox.take()
                    if message is None:
                        self._waiting = True
                        try:
                            await mailbox.wait()
                        finally:
                            self._waiting = False
                if message is not None:
                    yield message
                continue
            try:
                event = await receive()
            except Exception:
                event = _failed()
            self._heard = True
            text: Any = event.get("text")
            if text is not None and len(text) <= safe_length:  # as most are: then nothing that _read_event would look at matters
                yield text
            elif event["type"] == "websocket.disconnect":
                raise WSDisconnect(*self.leave(event.get("code"), event.get("reason")))
            else:
                received = self._read_event(event)
                if received is not None:
                    yield received[0]

    # ---- for the engine

    @property
    def mailbox(self) -> SharedMailbox:
        """Made when it is first needed: most conversations hear nobody but their client."""
        if self._mailbox is None:
            queue = ClientQueue(self._limits["max_unread"], self._limits["max_unread_bytes"])
            self._mailbox = SharedMailbox(queue, self._share, self._limits["max_sources"])
        return self._mailbox

    @property
    def is_reading(self) -> bool:
        """Does somebody wait for the server's ``receive`` right now, without help?"""
        return not self._shared and self._messages is not None and self._messages.ag_running

    @property
    def is_alone(self) -> bool:
        """Does nobody read any more, and was there never anything to hear but the client?"""
        return self._mailbox is None and (self._messages is None or self._messages.ag_frame is None)

    def read_ahead(self) -> None:
        """Read in a task beside the handler from now on; it ends by itself when the handler can read again without help."""
        if not self.is_reading and self.left is None and self._over is None:
            self._shared = True
            if self._ahead is None:
                self._ahead = asyncio.create_task(self._read_ahead(self.mailbox))

    def leave(self, code: int | None, reason: str | None) -> tuple[int, str]:
        """The client has left. The first telling counts."""
        if self.left is not None:
            return self.left
        self.left = left = 1005 if code is None else int(code), reason or ""
        self._shared = True
        if self._mailbox is not None:
            self._mailbox.hush()
        self._tell("left")
        return left

    def look(self, now: float) -> str | None:
        """What the watch does four times a second. Returns the name of a limit that is passed."""
        if self.trouble is not None:
            return "trouble"
        if self._heard:
            self._heard, self._heard_at, self._is_busy = False, now, False
        elif self._waiting or self.is_reading:
            self._is_busy = False
        elif self._is_busy:
            self.read_ahead()  # busy since the last look: somebody must notice if the client leaves
        else:
            self._is_busy = True
        full_since = self._mailbox.client.full_since if self._mailbox is not None else None
        if full_since is not None:
            if not self.never_read:
                return "stuck" if now - full_since >= self._limits["stuck_s"] else None
            if now - full_since >= self._limits["unread_s"]:
                self._become_send_only()
            return None
        idle_s = self._limits["idle_s"]
        return "idle" if idle_s is not None and now - self._heard_at >= idle_s and self.left is None else None

    def end(self, code: int, reason: str) -> bool:
        """The conversation is over: whoever still reads is told so. Is there anything to wait for (``stopped``)?"""
        self._over = code, reason
        self._shared = True
        self._tell = log.debug  # a conversation and its receiver hold each other until here
        if self._mailbox is not None:
            self._mailbox.hush()
        return self._ahead is not None or (self._messages is not None and self._messages.ag_frame is not None)

    async def stopped(self) -> None:
        """Returns when no ``receive`` of ours is pending."""
        if self._messages is not None and not self._messages.ag_running:
            await self._messages.aclose()
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.wait([self._ahead])

    def sources(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What is left to close in the mailbox, one by one."""
        return iter(()) if self._mailbox is None else self._mailbox.shut()

    # ---- inside

    def _see_who_reads(self) -> None:
        """A task of the handler's own is read for, lastingly: the engine could not end a direct read there."""
        if asyncio.current_task(self._owner.get_loop()) is not self._owner:
            self._escort, self._shared = False, True
            self.read_ahead()

    async def _next_shared(self) -> Message | None:
        """The next message from the mailbox when nobody reads for the handler any more; ``None`` as soon as it can read without help."""
        if self.send_only:
            await self._tire()
            raise RuntimeError(SENDS_ONLY)
        message = None if self._over else self.mailbox.take()
        if message is not None:
            if self.left is not None:
                self._tell("back")
            return message
        if self._over or self.trouble or self.left:
            await self._tire()
            if self.trouble and not self._over:
                raise self.trouble.with_traceback(None)
            code, reason = self._over or self.left or (1005, "")
            raise WSDisconnect(code, reason)
        self._shared = False
        return None

    async def _tire(self) -> None:
        """Before there is nothing to hand over, once more: a handler that catches it and asks again for ever must not keep the processor to itself."""
        self._refusals += 1
        if self._refusals > MAX_READS_ON:
            self._tell("deaf")
            await asyncio.get_running_loop().create_future()  # only its cancellation is left to it
        await asyncio.sleep(0)

    async def _read_ahead(self, mailbox: SharedMailbox) -> None:
        """Put what the client says into the mailbox, never more than its bounds, until it leaves or the handler needs no help."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                if mailbox.client.full:
                    await mailbox.client.until_room(loop.time())
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
        except BaseException as error:
            if not is_failure(error):
                raise
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
        if size > self._limits["max_message_bytes"]:
            raise self._troubled(1009, f"a message may have {self._limits['max_message_bytes']} bytes")
        return message, size

    def _troubled(self, code: int, reason: str) -> CloseWith:
        """The conversation cannot go on, whatever the handler makes of the exception."""
        self._shared = True
        self.trouble = CloseWith(code, reason)
        return self.trouble

    def _share(self) -> None:
        """Something joins the mailbox."""
        if self.is_reading:
            raise RuntimeError("another task is reading this receiver: nothing can join its mailbox meanwhile; let the handler's own task read")
        self.read_ahead()

    def _become_send_only(self) -> None:
        self.send_only = True
        self.discarded += self.mailbox.client.discard()
        log.warning("a conversation has not read for unread_s while its mailbox was full: taken as send-only, %d messages discarded", self.discarded)


def _failed() -> Event:
    """What a ``receive`` that raises means."""
    log.exception("the server's receive failed; taken as the client's leaving")
    return {"type": "websocket.disconnect", "code": 1006}
