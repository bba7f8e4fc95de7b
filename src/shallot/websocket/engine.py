"""The engine: drives one generator per conversation in the server's own task, and sees that each ends whole.
Knows ASGI events; knows no middleware, no route and no channel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any, cast

from ..deadline import within
from ..errors import CloseWith, EffectRefused, real_error
from ..types import AllLimits, Conversation, Event, Receive, Send
from .endings import ending_of, is_expected
from .farewell import part
from .generators import REFUSAL, as_generator
from .receiver import IDLE, Receiver
from .table import EffectTable
from .taps import TappedReceiver, Taps
from .wire import close_event, kind_of, send_event

__all__ = ["Talk"]

log = logging.getLogger("shallot.websocket")


MAX_REFUSALS = 8
"""How many effects a cancelled generator may yield before it is closed without more ado."""

SENDING, SENDING_SEEN = 1, 2
"""States of ``Talk._sending`` besides ``IDLE``; *seen* by the watch, as in the receiver."""

UNREACHABLE_S = 0.5
"""How long the server may take to tell of the leaving that a failed send has shown."""

TURN_EVERY = 64
"""After so many effects the loop gets a turn: a handler that only yields, to a ``send`` that never waits, would keep it from everybody else."""


class Talk:
    """The life of one conversation. Its ``run`` is awaited in the server's task, which is the only one that touches the generator."""

    __slots__ = (
        "_cancels",
        "_conversation",
        "_cut",
        "_cut_at",
        "_dropped",
        "_left_at",
        "_limits",
        "_plain",
        "_receiver",
        "_running",
        "_scope",
        "_send",
        "_sending",
        "_sending_since",
        "_table",
        "_taps",
        "_task",
        "_unreachable_at",
    )

    def __init__(self, conversation: Conversation, scope: Any, receive: Receive, send: Send, limits: AllLimits, table: EffectTable) -> None:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._conversation = conversation
        self._scope = scope
        self._send = send
        self._limits = limits
        self._table = table
        self._task = task
        now, reads = asyncio.get_running_loop().time(), conversation.get("reads", True)
        self._taps: Taps | None = None
        if conversation["taps"]:
            self._taps = Taps(conversation["taps"], scope)
            self._receiver: Receiver = TappedReceiver(receive, limits, task, now, self._hear, self._taps, reads=reads)
        else:
            self._receiver = Receiver(receive, limits, task, now, self._hear, reads=reads)
        self._plain = self._taps is None
        self._sending = IDLE
        self._sending_since = 0.0
        self._left_at: float | None = None
        self._unreachable_at: float | None = None
        self._cut: str | None = None
        self._cut_at = 0.0
        self._cancels = 0
        self._dropped = 0
        self._running = False

    # ---- the straight line

    async def accept(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Send the accept. ``False``: the client was gone before."""
        try:
            await within(self._limits["send_s"], self._accept(headers))
        except OSError as error:
            log.debug("%s: the client was gone before the accept: %r", self._name, error)
            return False
        except Exception as error:
            log.warning("%s: the server took no accept; taken as the client's leaving", self._name, exc_info=error)
            return False
        return True

    async def _accept(self, headers: list[tuple[bytes, bytes]]) -> None:
        await self._send({"type": "websocket.accept", "subprotocol": self._conversation["subprotocol"], "headers": headers})

    async def run(self) -> None:
        """Drive the handler to its end, then close, clean up and run the hooks; returns when nothing of the conversation is left."""
        task, others = self._task, self._task.cancelling()
        generator: AsyncGenerator[Any, Any] | None = None
        failure: BaseException | None = None
        self._running = True
        try:
            if self._cut is None:
                generator = as_generator(self._conversation["handler"](self._scope, self._receiver, *self._conversation["params"]))
                await self._drive(generator, others)
        except (Exception, BaseExceptionGroup, asyncio.CancelledError) as error:
            failure = real_error(error)
        self._running = False
        while self._cancels:  # our own cancellations end here; what others asked for is passed on below
            self._cancels -= 1
            task.uncancel()
        cancelled = task.cancelling() > others
        if not is_expected(failure, self._receiver.left, self._cut, cancelled):
            log.error("%s: the conversation failed", self._name, exc_info=failure)
        ending = ending_of(self._receiver.trouble or failure, self._receiver.left, self._cut, cancelled)
        hooks, hook_s = self._conversation["hooks"], self._limits["hook_s"]
        await part(ending, self._name, self._scope, self._send, self._receiver, generator, hooks, self._taps, self._table, hook_s)
        if self._dropped or self._receiver.discarded:
            log.debug("%s: %d sends dropped after the client left, %d messages discarded unread", self._name, self._dropped, self._receiver.discarded)
        if task.cancelling() > others:
            raise asyncio.CancelledError

    async def _drive(self, generator: AsyncGenerator[Any, Any], others: int) -> None:
        """Ask the generator for effects and perform them, until it ends."""
        send, cancelling, asend = self._send, self._task.cancelling, generator.asend
        refusals = 0
        try:
            effect = await asend(None)
            while True:
                for _ in range(TURN_EVERY):
                    value = None
                    try:
                        if cancelling() > others:
                            refusals += 1
                            raise EffectRefused(REFUSAL)
                        if self._plain and effect.__class__ is dict and len(effect) == 2 and effect.get("type") == "websocket.send":
                            text = effect.get("text")
                            if text.__class__ is str and text.isascii():  # most effects: all that _perform would do, without a call
                                self._sending = SENDING
                                try:
                                    await send(effect)
                                except Exception as error:
                                    self._lose(error)
                                finally:
                                    self._sending = IDLE
                            else:
                                value = await self._perform(effect)
                        else:
                            value = await self._perform(effect)
                    except CloseWith:
                        raise
                    except (Exception, asyncio.CancelledError) as error:  # the latter too: a timeout or TaskGroup around the yield waits for it
                        if refusals > MAX_REFUSALS:
                            return
                        effect = await generator.athrow(error)
                    else:
                        effect = await asend(value)
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError as error:
                    effect = await generator.athrow(error)
        except StopAsyncIteration:
            return

    async def _perform(self, effect: Any) -> Any:
        """Do what an effect says; what it returns is the value of the ``yield``, what it raises is raised there."""
        kind = kind_of(effect)
        if self._taps is not None:
            effect = self._taps.effect(effect)
            if effect is None:
                return None
            kind = kind_of(effect)
        match kind:
            case "websocket.send":
                event = send_event(effect)
                if self._gone:
                    self._dropped += 1
                else:
                    await self._transmit(event)
            case "websocket.close":
                order = CloseWith(*close_event(effect))
                if not self._gone:
                    raise order
                self._dropped += 1
            case _:
                return await self._table.find(kind)(effect, self._scope, self._receiver.mailbox)

    # ---- what the watch and the receiver tell

    def look(self, now: float) -> None:
        """Four times a second: is anything over its limit?"""
        if not self._running:
            return
        limits = self._limits
        if self._cut is not None:
            if now - self._cut_at >= limits["hook_s"]:
                log.error("%s: the handler did not end within hook_s of its cancellation; cancelled again", self._name)
                self._cancel(now)
        elif self._sending == SENDING_SEEN and now - self._sending_since >= limits["send_s"]:
            self.cut("blocked")
        elif self._unreachable_at is not None and self._receiver.left is None and now - self._unreachable_at >= UNREACHABLE_S:
            self._receiver.leave(1006, None)
        elif self._left_at is not None:
            if now - self._left_at >= limits["linger_s"]:
                self.cut("left")
        else:
            passed = self._receiver.look(now)
            if passed is not None:
                self.cut(passed)
        if self._sending == SENDING:
            self._sending, self._sending_since = SENDING_SEEN, now

    def cut(self, why: str) -> None:
        """End the conversation from outside its task: the handler is cancelled where it stands."""
        if self._cut is None:
            self._cut = why
            if self._running:
                self._cancel(asyncio.get_running_loop().time())

    def abandon(self) -> None:
        """Shutdown is over: cancel whatever still runs, clean-up and hooks included."""
        self._task.cancel()

    def _cancel(self, now: float) -> None:
        self._cut_at = now
        self._cancels += 1
        self._task.cancel()

    def _hear(self, what: str) -> None:
        """The receiver's news: the client ``left``, the handler came ``back`` for what is unread, or there is ``trouble``."""
        self._plain = False
        if what == "trouble" or (what == "left" and self._receiver.never_read):
            self.cut(what)
        else:
            self._left_at = asyncio.get_running_loop().time()

    # ---- sending

    @property
    def _gone(self) -> bool:
        return self._receiver.left is not None or self._unreachable_at is not None

    async def _transmit(self, event: Event) -> None:
        self._sending = SENDING
        try:
            await self._send(event)
        except Exception as error:
            self._lose(error)
        finally:
            self._sending = IDLE

    def _lose(self, error: Exception) -> None:
        """A send failed: the client is gone, and ``receive`` will soon tell how."""
        self._plain = False
        self._dropped += 1
        self._unreachable_at = asyncio.get_running_loop().time()
        if not isinstance(error, OSError):
            log.warning("%s: the server's send failed; taken as the client's leaving", self._name, exc_info=error)
        self._receiver.read_ahead()

    @property
    def _name(self) -> str:
        handler = self._conversation["handler"]
        return str(getattr(handler, "__qualname__", handler))
