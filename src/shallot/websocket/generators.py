"""Async generators as the engine needs them: made of what a handler returned, and closed for good in the task that iterates them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from inspect import isawaitable
from typing import Any

from ..errors import EffectRefused

__all__ = ["REFUSAL", "as_generator", "close_generator", "is_finished"]

REFUSAL = (
    "this effect was yielded while the conversation is being closed or cancelled; it was not performed. "
    "A farewell belongs into a hook: @websocket(on_close=...) may return effects"
)
"""What a generator is told that yields an effect while it ends."""

SENDS_ONLY = (
    "this conversation only sends: it was declared reads=False, or did not read while the client's messages filled its mailbox for unread_s; "
    "what the client said is discarded. Read sooner, or raise the limit unread_s"
)
MAX_READS_ON = 16
"""How often a handler may ask for messages after the end before it is taken for a loop that has none, and is cancelled."""
MAX_REFUSALS = 8
"""How many effects a generator may yield while it is being closed, before it is given up."""


def as_generator(result: Any) -> AsyncGenerator[Any, Any]:
    """What calling a conversation's handler gave, as an async generator that can tell whether it runs: a coroutine's one effect, or none, is yielded."""
    if hasattr(result, "ag_running"):
        generator: AsyncGenerator[Any, Any] = result
        return generator
    if hasattr(result, "asend"):
        return _told(result)
    if isawaitable(result):
        return _one_effect(result)
    raise TypeError(f"a conversation's handler is an async generator function (async def with yield) or a coroutine function; got {type(result).__name__}")


async def close_generator(generator: AsyncGenerator[Any, Any]) -> None:
    """Close where it stands: its ``finally`` runs, here and now. What it yields meanwhile is refused with ``EffectRefused``.

    Unlike ``aclose()`` this can say at the ``yield`` what is wrong, and how to put it right.
    """
    exit = GeneratorExit()
    order: BaseException = exit
    for _ in range(MAX_REFUSALS):
        try:
            await generator.athrow(order)
        except StopAsyncIteration:
            return
        except GeneratorExit as answer:
            if answer is not exit:
                raise  # somebody else's: this task itself is being closed
            return
        except BaseExceptionGroup as group:  # a TaskGroup around the yield wraps our exit
            others = group.split(lambda error: error is exit)[1]
            if others is None:
                return
            raise others from None
        order = EffectRefused(REFUSAL)
    raise order


def is_finished(generator: AsyncGenerator[Any, Any] | None) -> bool:
    """Has it run to its end, or is there none? (One that is not Python's own cannot tell: then no.)"""
    return generator is None or getattr(generator, "ag_frame", generator) is None


async def _told(generator: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    """``generator``, which is not Python's own, inside of one that is: else nobody could tell its waiting from that of the server's ``send``."""
    step: Callable[[Any], Awaitable[Any]] = generator.asend
    value: Any = None
    while True:
        try:
            effect = await step(value)
        except StopAsyncIteration:
            return
        finally:
            value = None  # or the error's traceback would hold this frame, and this frame the error
        try:
            step, value = generator.asend, (yield effect)
        except BaseException as error:  # handed on, never kept: it is the generator that may answer it
            step, value = generator.athrow, error


async def _one_effect(answer: Awaitable[Any]) -> AsyncGenerator[Any, None]:
    effect = await answer
    if effect is not None:
        yield effect
