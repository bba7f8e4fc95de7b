"""run: a conversation's handler as a function from what comes in to what it yields. No server, no socket, no waiting, and nothing is performed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from ..errors import WSDisconnect
from ..types import AnyEffect, Message
from ..websocket.generators import MAX_READS_ON, as_generator, close_generator, is_finished
from ..websocket.wire import close_event, kind_of, send_event
from .clock import VirtualLoop

__all__ = ["REPLIES", "run"]

REPLIES: Mapping[str, Any] = {
    "channel.subscribe": {"cursor": "", "recovered": False, "missed": 0},
    "channel.publish": {"cursor": "", "duplicate": False},
    "channel.members": {},
    "channel.history": [],
}
"""Kind of effect -> what its ``yield`` returns where the test does not say; every other kind: ``None``."""

MOST_EFFECTS = 10_000
"""So many effects without one read are taken for a handler that never asks for a message."""

_CHECKS: Mapping[str, Callable[[AnyEffect], object]] = {"websocket.send": send_event, "websocket.close": close_event}


def run(
    handler: Callable[..., Any],
    request: Any,
    inputs: Iterable[Message],
    *,
    params: Sequence[Any] = (),
    replies: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
) -> list[AnyEffect]:
    """All that a conversation's handler yields while it hears ``inputs``, one after the other, and then the client leaves (1000).

    | option | meaning |
    |---|---|
    | ``handler`` | what ``@websocket`` stands above; of it only the generator runs, no hook and no middleware. The function itself is fine too |
    | ``request`` | the scope that the handler sees, as ``request("WS", path, identity="ann")`` makes it; it gets a copy |
    | ``inputs`` | ``str`` and ``bytes`` from the client, dicts from timers, feeds and channels |
    | ``params`` | the values of the route's tags |
    | ``replies`` | kind of effect -> value of its ``yield``; of kinds that do not stand there: ``REPLIES``, else ``None`` |
    | ``config`` | what resources gave: ``scope["config"]`` |

    Of ``replies`` an exception is raised at the ``yield``, a function is called with the effect, and an iterator gives one such after the other.
    Effects are checked as the engine does, and not performed: what a timer or a channel would bring stands in ``inputs``. A ``ws_close`` ends it.
    What the handler raises comes out here; the client's leaving does not. Time is virtual: a handler that sleeps takes no time.
    A handler that never reads would never end: after 10,000 effects in a row it is a ``RuntimeError``; test it with ``client`` and ``virtual_time``.

        >>> from shallot import websocket, ws_send
        >>> from shallot.testing import request
        >>> @websocket
        ... async def echo(scope, receiver):
        ...     async for message in receiver:
        ...         yield ws_send(message)
        >>> run(echo, request("WS", "/"), ["hi"])
        [{'text': 'hi', 'type': 'websocket.send'}]
    """
    refuse_a_running_loop()
    scope: dict[str, Any] = {**request, "run_in_thread": run_here}
    if config is not None:
        scope["config"] = config
    generator_function = getattr(handler, "__wrapped__", handler)
    heard = Inputs(inputs)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_drive(generator_function, scope, heard, params, {**REPLIES, **(replies or {})}))


def refuse_a_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("run(...) runs a loop of its own, and cannot inside of one; make the test a plain def, or use client(app).websocket(path) here")


class Inputs:
    """Stands for the receiver: hands over what the test wrote, then says that the client has left, as often as it is asked.

    ``reads`` counts how often it was asked, ``given`` what it handed over.
    """

    def __init__(self, inputs: Iterable[Message], code: int = 1000, reason: str = "") -> None:
        self._inputs = iter(inputs)
        self._end = code, reason
        self._ends = 0
        self.reads = self.given = 0

    def __aiter__(self) -> Inputs:
        return self

    async def __anext__(self) -> Message:
        self.reads += 1
        await asyncio.sleep(0)  # as where a message must be waited for: other tasks of the handler get their turn
        for message in self._inputs:
            self.given += 1
            return message
        self._ends += 1
        if self._ends > MAX_READS_ON:
            raise RuntimeError("run: the handler catches the end of its receiver and reads on, again and again")
        raise WSDisconnect(*self._end)


async def _drive(function: Callable[..., Any], scope: Any, heard: Inputs, params: Sequence[Any], replies: Mapping[str, Any]) -> list[AnyEffect]:
    yielded: list[AnyEffect] = []
    generator: AsyncGenerator[Any, Any] = as_generator(function(scope, heard, *params))
    since = reads = 0
    try:
        effect = await generator.asend(None)
        while True:
            since, reads = (since + 1, reads) if reads == heard.reads else (0, heard.reads)
            if since > MOST_EFFECTS:
                raise RuntimeError(
                    f"run: the handler yielded {MOST_EFFECTS:,} effects and read nothing meanwhile, so it would never end; use client(app) and virtual_time"
                )
            try:
                kind = _check(effect)
                yielded.append(effect)
                value = _reply(kind, effect, replies)
            except Exception as error:
                effect = await generator.athrow(error)
                continue
            if kind == "websocket.close":
                break
            effect = await generator.asend(value)
    except (StopAsyncIteration, WSDisconnect):
        pass
    finally:
        if not is_finished(generator):
            await close_generator(generator)
    await asyncio.sleep(0)  # for a task that was just told to end
    if left := asyncio.all_tasks() - {cast("asyncio.Task[Any]", asyncio.current_task())}:
        raise RuntimeError(f"the handler left tasks running: {left}; start them in a TaskGroup")
    return yielded


def _check(effect: Any) -> str:
    kind = kind_of(effect)
    if kind in _CHECKS:
        _CHECKS[kind](effect)
    return kind


def _reply(kind: str, effect: AnyEffect, replies: Mapping[str, Any]) -> Any:
    reply: Any = replies.get(kind)
    if isinstance(reply, Iterator):
        answers: Iterator[Any] = reply  # pyright: ignore[reportUnknownVariableType]
        reply = next(answers)
    if isinstance(reply, BaseException):
        raise reply
    return reply(effect) if callable(reply) else reply


async def run_here(function: Callable[..., Any], *args: Any) -> Any:
    """Instead of a thread, for which virtual time cannot wait."""
    return function(*args)
