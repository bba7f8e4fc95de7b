"""What the end of a conversation owes: the close, the handler's clean-up, the end of every source, the hooks. Knows no reason why it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar, cast

from ..deadline import within
from ..types import Event, Hooks, Send
from .endings import GONE, Ending
from .generators import close_generator, is_finished
from .receiver import Receiver
from .table import EffectTable
from .taps import Taps
from .wire import is_dict

__all__ = ["part"]

log = logging.getLogger("shallot.websocket")

T = TypeVar("T")


async def part(
    ending: Ending,
    name: str,
    scope: Any,
    send: Send,
    receiver: Receiver,
    generator: AsyncGenerator[Any, Any] | None,
    hooks: Hooks,
    taps: Taps | None,
    table: EffectTable,
    hook_s: float,
) -> None:
    """Do all that is owed, in order, each step within ``hook_s`` and whatever became of the one before. What fails is logged.

    A cancellation ends the step that it meets, no more; whoever called passes it on.
    """
    if receiver.end(ending.code, ending.reason):
        await _see_to(receiver.stopped(), name, hook_s)  # before the close: granian sends none while a receive is pending
    if ending.send:
        ending = await _see_to(_send_close(send, ending, name), name, hook_s, logging.DEBUG) or ending  # a client that does not take it is no fault of ours
    if generator is not None and not is_finished(generator):
        await _see_to(close_generator(generator), name, hook_s)
    for closing in receiver.sources():
        await _see_to(closing, name, hook_s)
    scope["close"] = {"code": ending.code, "reason": ending.reason, "by": ending.by}
    if ending.by == "client" and "on_disconnect" in hooks:
        await _see_to(_run_hook(hooks["on_disconnect"], scope, table, name), name, hook_s)
    if "on_close" in hooks:
        await _see_to(_run_hook(hooks["on_close"], scope, table, name), name, hook_s)
    if taps is not None:
        for end in taps.ends():
            await _see_to(_call(end, scope), name, hook_s)


async def _see_to(step: Coroutine[Any, Any, T], name: str, hook_s: float, level: int = logging.ERROR) -> T | None:
    """What ``step`` gives; ``None`` if it failed, which is logged, or was cancelled."""
    task = cast("asyncio.Task[Any]", asyncio.current_task())
    cancels = task.cancelling()
    try:
        return await within(hook_s, step)
    except (Exception, BaseExceptionGroup, asyncio.CancelledError) as error:
        if not isinstance(error, asyncio.CancelledError) or task.cancelling() == cancels:
            log.log(level, "%s: could not end whole", name, exc_info=error)
        return None


async def _send_close(send: Send, ending: Ending, name: str) -> Ending:
    event: Event = {"type": "websocket.close", "code": ending.code}
    if ending.reason:
        event["reason"] = ending.reason
    try:
        await send(event)
    except Exception as error:
        log.debug("%s: the client was gone before our close: %r", name, error)
        return GONE
    return ending


async def _run_hook(hook: Any, scope: Any, table: EffectTable, name: str) -> None:
    answer = await hook(scope)
    for effect in [answer] if is_dict(answer) else answer or ():
        try:
            await table.perform(effect, scope)
        except Exception:
            log.exception("%s: an effect of a hook failed", name)


async def _call(function: Any, scope: Any) -> None:
    function(scope)
