"""The engine: drives one generator per conversation in the server's own task, and sees that each ends whole.
Knows ASGI events; knows no middleware, no route and no channel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from ..errors import CloseWith, EffectRefused, WSDisconnect, real_error
from ..failures import add_cure
from ..types import AllLimits, Conversation, Event, Receive, Send
from .endings import LEFT, ending_of, is_expected
from .farewell import part
from .generators import REFUSAL, as_generator, is_finished
from .groups import Cancellable
from .receiver import Receiver
from .table import EffectTable
from .taps import TappedReceiver, Taps
from .wire import close_event, kind_of, send_event

__all__ = ["Talk"]

log = logging.getLogger("shallot.websocket")


MAX_REFUSALS = 8
"""How many effects a cancelled generator may yield before it is closed without more ado."""

UNREACHABLE_S = 0.5
"""How long the server may take to tell of the leaving that a failed send has shown."""

TURN_EVERY = 256
"""So often, counted in effects, the loop gets a turn: a handler that only yields, to a ``send`` that never waits, would keep it from everybody else."""


ACCEPTING, RUNNING, PARTING = range(3)
"""The phases of a conversation. While it is accepted nothing is cut short but a send that blocks; when it parts, nothing at all."""


class Talk(Cancellable):
    """The life of one conversation. Its ``run`` is awaited in the server's task, which is the only one that touches the generator."""

    __slots__ = (
        *("_cancels", "_conversation", "_cut", "_cut_at", "_dropped", "_generator", "_left_at", "_limits", "_moved", "_moved_at"),
        *("_performs", "_phase", "_plain", "_receiver", "_refusals", "_scope", "_send", "_table", "_taps", "_unreachable_at"),
    )

    def __init__(
        self, conversation: Conversation, scope: Any, receive: Receive, send: Send, limits: AllLimits, table: EffectTable, task: asyncio.Task[Any]
    ) -> None:
        self._conversation = conversation
        self._scope = scope
        self._send = send
        self._limits = limits
        self._table = table
        self._task, self._thrown = task, None
        now, reads = task.get_loop().time(), conversation.get("reads", True)
        self._taps = taps = Taps(conversation["taps"], scope) if conversation["taps"] else None
        if taps is None or not taps.hear:
            self._receiver = Receiver(receive, limits, task, now, self._hear, reads=reads)
        else:
            self._receiver = TappedReceiver(receive, limits, task, now, self._hear, taps, reads=reads)
        self._plain = taps is None or not taps.see
        self._generator: AsyncGenerator[Any, Any] | None = None
        self._moved = False
        self._moved_at = now
        self._performs = False
        self._refusals = 0
        self._left_at: float | None = None
        self._unreachable_at: float | None = None
        self._cut: str | None = None
        self._cut_at = 0.0
        self._cancels = 0
        self._dropped = 0
        self._phase = ACCEPTING

    # ---- the straight line

    async def run(self, accept_headers: list[tuple[bytes, bytes]]) -> None:
        """Accept, drive the handler to its end, then close, clean up and run the hooks; returns when nothing of the conversation is left."""
        conversation, task = self._conversation, self._task
        others = task.cancelling()
        failure: BaseException | None = None
        try:
            await self._send({"type": "websocket.accept", "subprotocol": conversation["subprotocol"], "headers": accept_headers})
            self._phase = RUNNING
            if self._taps is not None:
                self._taps.begin()
            if self._cut is None:
                generator = self._generator = as_generator(conversation["handler"](self._scope, self._receiver, *conversation["params"]))
                send, cancelling, is_ascii, turns = self._send, task.cancelling, str.isascii, TURN_EVERY
                async for effect in generator:
                    while True:  # until there is nothing to tell of the last effect
                        self._moved = True
                        turns -= 1
                        try:  # most effects are a text to send: all that _perform would look at stands here, without a call
                            is_text = is_ascii(effect["text"]) and len(effect) == 2 and effect["type"] == "websocket.send"
                        except (KeyError, TypeError):
                            is_text = False
                        if not (is_text and turns and self._plain and cancelling() == others):
                            effect = await self._answer(generator, effect, others, gives_turn=not turns)
                            turns = turns or TURN_EVERY
                            continue
                        try:
                            await send(effect)
                        except Exception as error:
                            self._lose(error)
                        except asyncio.CancelledError as error:
                            effect = await generator.athrow(error)
                            continue
                        break
        except WSDisconnect as error:
            if self._has_left(others):  # as most do
                return
            failure = error
        except StopAsyncIteration:
            pass
        except (Exception, BaseExceptionGroup, asyncio.CancelledError) as error:
            failure = real_error(error) if isinstance(error, BaseExceptionGroup) else error
        accepted, self._phase = self._phase == RUNNING, PARTING
        while self._cancels:  # our own cancellations end here; what others asked for is passed on below
            self._cancels -= 1
            task.uncancel()
        if accepted:
            await self._farewell(failure, task.cancelling() > others and self.is_cancelled(others))
        elif isinstance(failure, (OSError, asyncio.CancelledError)):
            log.debug("%s: the client was gone before the accept: %r", self._name, failure)
        else:
            log.warning("%s: the server took no accept; taken as the client's leaving", self._name, exc_info=failure)
        failure = None  # or its traceback would hold this frame, and this frame the traceback
        if task.cancelling() > others and self.is_cancelled(others):
            raise asyncio.CancelledError

    async def _answer(self, generator: AsyncGenerator[Any, Any], effect: Any, others: int, *, gives_turn: bool) -> Any:
        """Perform ``effect``, and give the generator what comes of it: its next effect, or ``StopAsyncIteration``."""
        try:
            if gives_turn:
                await asyncio.sleep(0)
            value = await self._perform(effect, self._task.cancelling() > others and self.is_cancelled(others))
        except CloseWith:
            raise
        except (Exception, asyncio.CancelledError) as error:  # the latter too: a timeout or TaskGroup around the yield waits for it
            if self._refusals > MAX_REFUSALS:
                raise StopAsyncIteration from None
            return await generator.athrow(error)
        return await generator.asend(value)

    def _has_left(self, others: int) -> bool:
        """Did the client leave in a usual way, and is nothing owed to anybody? Then all is over."""
        receiver = self._receiver
        ending = LEFT.get(receiver.left)
        if ending is None or self._conversation["hooks"] or self._taps is not None or self._dropped or receiver.discarded:
            return False
        if self._task.cancelling() != others or not (receiver.is_alone and is_finished(self._generator)):
            return False
        self._phase = PARTING
        receiver.end(ending.code, ending.reason)
        self._scope["close"] = {"code": ending.code, "reason": ending.reason, "by": ending.by}
        return True

    def _farewell(self, failure: BaseException | None, cancelled: bool) -> Coroutine[Any, Any, None]:
        """What is owed at the end, to be awaited."""
        receiver = self._receiver
        if failure is not None and not is_expected(failure, receiver.left, self._cut, cancelled):
            add_cure(failure)
            log.error("%s: the conversation failed", self._name, exc_info=failure)
        ending = ending_of(receiver.trouble or failure, receiver.left, self._cut, cancelled)
        if self._dropped or receiver.discarded:
            self._scope["dropped"] = {"sends": self._dropped, "messages": receiver.discarded}
            log.debug("%s: %d sends dropped after the client left, %d messages discarded unread", self._name, self._dropped, receiver.discarded)
        hooks, hook_s = self._conversation["hooks"], self._limits["hook_s"]
        return part(ending, self._name, self._scope, self._send, receiver, self._generator, hooks, self._taps, self._table, hook_s)

    async def _perform(self, effect: Any, is_cancelled: bool) -> Any:
        """Do what an effect says; what it returns is the value of the ``yield``, what it raises is raised there."""
        if is_cancelled:
            self._refusals += 1
            raise EffectRefused(REFUSAL)
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
                self._performs = True
                try:
                    result = await self._table.find(kind)(effect, self._scope, self._receiver.mailbox)
                except Exception as error:
                    if self._taps is not None:
                        self._taps.result(effect, error)
                    raise
                finally:
                    self._performs = False
                if self._taps is not None:
                    self._taps.result(effect, result)
                return result

    # ---- what the watch and the receiver tell

    def look(self, now: float) -> None:
        """Four times a second: is anything over its limit?"""
        if self._phase == PARTING:
            return
        limits, receiver = self._limits, self._receiver
        if self._moved:
            self._moved, self._moved_at = False, now
        if self._cut is not None:
            if now - self._cut_at >= limits["hook_s"]:
                log.error("%s: the handler did not end within hook_s of its cancellation; cancelled again", self._name)
                self._cancel(now)
        elif now - self._moved_at >= limits["send_s"] and self._is_sending:
            self.cut("blocked")
        elif self._phase == ACCEPTING:
            return
        elif self._unreachable_at is not None and receiver.left is None and now - self._unreachable_at >= UNREACHABLE_S:
            receiver.leave(1006, None)
        elif self._left_at is not None:
            if now - self._left_at >= limits["linger_s"]:
                self.cut("left")
        else:
            passed = receiver.look(now)
            if passed is not None:
                self.cut(passed)

    def cut(self, why: str) -> None:
        """End the conversation from outside its task: the handler is cancelled where it stands."""
        if self._cut is None:
            self._cut = why
            if self._phase == RUNNING or why == "blocked":
                self._cancel(self._task.get_loop().time())

    def abandon(self) -> None:
        """Shutdown is over: cancel whatever still runs, clean-up and hooks included."""
        self._task.cancel()

    def _cancel(self, now: float) -> None:
        self._cut_at = now
        self._cancels += 1
        self._task.cancel()

    def _hear(self, what: str) -> None:
        """The receiver's news: the client ``left``, the handler came ``back`` for what is unread, there is ``trouble``, or the handler is ``deaf``."""
        self._plain = False
        if what == "deaf":
            log.error("%s: the handler catches the end of its receiver and reads on, again and again; cancelled", self._name)
            self.cut("trouble" if self._receiver.trouble else what)
        elif what == "trouble" or (what == "left" and self._receiver.never_read):
            self.cut(what)
        else:
            self._left_at = self._task.get_loop().time()

    # ---- sending

    @property
    def _is_sending(self) -> bool:
        """Does the driver wait for the server's ``send``, and not for the handler or an effect's function?"""
        return not self._performs and not getattr(self._generator, "ag_running", False)

    @property
    def _gone(self) -> bool:
        return self._receiver.left is not None or self._unreachable_at is not None

    async def _transmit(self, event: Event) -> None:
        try:
            await self._send(event)
        except Exception as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        """A send failed: the client is gone, and ``receive`` will soon tell how."""
        self._plain = False
        self._dropped += 1
        self._unreachable_at = self._task.get_loop().time()
        if not isinstance(error, OSError):
            log.warning("%s: the server's send failed; taken as the client's leaving", self._name, exc_info=error)
        self._receiver.read_ahead()

    @property
    def _name(self) -> str:
        handler = self._conversation["handler"]
        return str(getattr(handler, "__qualname__", handler))
