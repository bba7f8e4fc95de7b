"""replay: a recorded conversation against today's handler. The inputs come from the record, nothing is performed, and the first difference is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, TypedDict

from .. import errors
from ..codec.transcripts import SECRETS, Recorded, decode_value, encode_value, redact
from ..errors import WSDisconnect
from ..websocket.generators import as_generator, close_generator, is_finished
from .clock import VirtualLoop
from .requests import request
from .runs import Inputs, refuse_a_running_loop, run_here

__all__ = ["Difference", "error_of", "replay"]


class Difference(TypedDict):
    """Where a replay leaves its record."""

    conversation: str
    number: int
    """Of the effect, from 0"""
    heard: int
    """How many messages the handler had heard by then"""
    expected: Any
    """As recorded; ``None``: nothing more"""
    got: Any


def replay(recorded: Recorded, handler: Callable[..., Any], *, config: Mapping[str, Any] | None = None, secrets: Sequence[str] = SECRETS) -> Difference | None:
    """Drive ``handler``, what ``@websocket`` stands above or the function itself, with what ``recorded`` heard; the first difference, or ``None``.

    The handler sees the recorded request, ``config`` as its ``scope["config"]``, and the recorded results of its effects. Hooks and middlewares do not run.
    Sleeps take no time. Where the record was cut from outside, by a server's end or an idle limit, what the handler would have said next is no difference.
    """
    refuse_a_running_loop()
    function = getattr(handler, "__wrapped__", handler)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_drive(recorded, function, dict(config or {}), secrets))


async def _drive(recorded: Recorded, function: Callable[..., Any], config: dict[str, Any], secrets: Sequence[str]) -> Difference | None:
    close = recorded.close or {"code": 1006, "reason": "", "by": "client"}
    heard = Inputs([decode_value(exchange.value) for exchange in recorded.exchanges if exchange.kind == "in"], close["code"], close["reason"])
    scope = {**request("WS", recorded.request["path"]), **recorded.request, "config": config, "run_in_thread": run_here}
    generator: AsyncGenerator[Any, Any] = as_generator(function(scope, heard, *recorded.params))
    expected = [exchange for exchange in recorded.exchanges if exchange.kind == "out"]

    def differs(number: int, got: Any) -> Difference:
        wanted = expected[number].value if number < len(expected) else None
        return {"conversation": recorded.id, "number": number, "heard": heard.given, "expected": wanted, "got": got}

    number = 0
    try:
        effect = await generator.asend(None)
        for number, exchange in enumerate(expected):
            got = encode_value(redact(effect, secrets))
            if got != exchange.value:
                return differs(number, got)
            number += 1
            if exchange.value["type"] == "websocket.close":
                return None
            if exchange.error is None:
                effect = await generator.asend(decode_value(exchange.result))
            else:
                effect = await generator.athrow(error_of(exchange.error))
        ended_by_itself = close["by"] == "server" and close["code"] == 1000
        return differs(number, encode_value(redact(effect, secrets))) if ended_by_itself else None
    except (StopAsyncIteration, WSDisconnect):
        return differs(number, None) if number < len(expected) else None
    except Exception as error:
        failed = number == len(expected) and close["code"] == 1011
        return None if failed else differs(number, {"raised": repr(error)})
    finally:
        if not is_finished(generator):
            await close_generator(generator)


def error_of(told: str) -> Exception:
    """``"Forbidden: why"`` as an exception of ours; one that is not ours comes back as a ``RuntimeError`` with the whole text."""
    name, _, text = told.partition(": ")
    kind = getattr(errors, name, None) if name in errors.__all__ else None
    return kind(text) if kind is not None else RuntimeError(told)
