"""What the end of a conversation owes: the close, the handler's clean-up, the end of every source, the hooks. Knows no reason why it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, NamedTuple, cast

from ..deadline import within
from ..errors import WSDisconnect
from ..types import Close, Event, Hooks, Send
from .endings import GONE, Ending
from .generators import close_generator, is_finished
from .receiver import Receiver
from .table import EffectTable
from .taps import Taps
from .wire import is_dict

__all__ = ["Farewell", "part"]

log = logging.getLogger("shallot.websocket")


class Farewell(NamedTuple):
    """What there is to part from. Each step of it may take ``hook_s``."""

    name: str
    scope: Any
    send: Send
    receiver: Receiver
    generator: AsyncGenerator[Any, Any] | None
    hooks: Hooks
    taps: Taps | None
    table: EffectTable
    hook_s: float


async def part(farewell: Farewell, ending: Ending) -> None:
    """Do all that is owed, in order, each step whatever became of the one before. What fails is logged.

    A cancellation ends the step that it meets, no more; whoever called passes it on.
    """
    name, scope, send, receiver, generator, hooks, taps, table, hook_s = farewell
    task = cast("asyncio.Task[Any]", asyncio.current_task())

    async def see_to(step: Coroutine[Any, Any, None], level: int = logging.ERROR) -> None:
        cancels = task.cancelling()
        try:
            await within(hook_s, step)
        except (Exception, BaseExceptionGroup, asyncio.CancelledError) as error:
            if not isinstance(error, asyncio.CancelledError) or task.cancelling() == cancels:
                log.log(level, "%s: could not end whole", name, exc_info=error)

    async def send_close() -> None:
        nonlocal ending
        event: Event = {"type": "websocket.close", "code": ending.code}
        if ending.reason:
            event["reason"] = ending.reason
        try:
            await send(event)
        except Exception as error:
            log.debug("%s: the client was gone before our close: %r", name, error)
            ending = GONE

    async def run_hook(hook: Any) -> None:
        answer = await hook(scope)
        for effect in [answer] if is_dict(answer) else answer or ():
            try:
                await table.perform(effect, scope)
            except Exception:
                log.exception("%s: an effect of a hook failed", name)

    if receiver.end(WSDisconnect(ending.code, ending.reason)):
        await see_to(receiver.stopped())  # before the close: granian sends none while a receive is pending
    if ending.send:
        await see_to(send_close(), logging.DEBUG)  # a client that does not take it is no fault of ours
    if generator is not None and not is_finished(generator):
        await see_to(close_generator(generator))
    for closing in receiver.sources():
        await see_to(closing)
    scope["close"] = Close(code=ending.code, reason=ending.reason, by=ending.by)
    if ending.by == "client" and "on_disconnect" in hooks:
        await see_to(run_hook(hooks["on_disconnect"]))
    if "on_close" in hooks:
        await see_to(run_hook(hooks["on_close"]))
    for end in taps.ends() if taps is not None else ():
        await see_to(_call(end, scope))


async def _call(function: Any, scope: Any) -> None:
    function(scope)
