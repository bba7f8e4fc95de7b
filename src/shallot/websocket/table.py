"""The open table of effects: kind -> function. Ours, the app's own, and what resources bring stand side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from ..errors import EffectRefused
from ..types import AnyEffect, EffectFunction, Mailbox, ResourceEffect, Source
from .feeds import FEED_EFFECTS
from .timers import TIMER_EFFECTS
from .wire import kind_of

__all__ = ["CONVERSATION_KINDS", "EffectTable", "NoMailbox"]

CONVERSATION_KINDS = frozenset({"websocket.send", "websocket.close"})
"""What only a conversation's own yield can do."""
BROUGHT = {"channel": 'build_server(resources={"channels": memory_channels()})'}
"""Where kinds come from that no app has by itself, by what stands before the dot."""
ANSWERS = {"websocket.accept": "ws_accept(...) is what on_connect returns; a conversation is accepted before its handler runs"}
"""Kinds that are no effects, and where they belong."""


class EffectTable:
    """Which function performs an effect. One per app; resources add their kinds at start and take them along at stop."""

    def __init__(self, own: Mapping[str, EffectFunction] | None = None) -> None:
        self._functions: dict[str, ResourceEffect] = {**TIMER_EFFECTS, **FEED_EFFECTS}
        self.add({kind: _without_mailbox(function) for kind, function in (own or {}).items()}, where="effects")

    def add(self, kinds: Mapping[str, ResourceEffect], where: str) -> None:
        """Take in ``kinds``; ``where`` says in errors whose they are. A kind that is taken is a ``ValueError``, and none is added."""
        for kind, function in kinds.items():
            if not isinstance(kind, str) or not kind:  # pyright: ignore[reportUnnecessaryIsInstance]  # a user's dict
                raise TypeError(f"{where}: an effect's kind is a str like 'my.kind', not {kind!r}")
            if kind in CONVERSATION_KINDS or kind in self._functions:
                raise ValueError(f"{where}: the effect kind {kind!r} is taken; choose another name")
            if not callable(function):
                raise TypeError(f"{where}: the effect kind {kind!r} needs an async function, not {function!r}")
        self._functions.update(kinds)

    def remove(self, kinds: Mapping[str, ResourceEffect]) -> None:
        for kind in kinds:
            self._functions.pop(kind, None)

    def find(self, kind: str) -> ResourceEffect:
        """The function of ``kind``; ``ValueError`` with the known kinds for an unknown one."""
        function = self._functions.get(kind)
        if function is None:
            known = ", ".join(sorted({*self._functions, *CONVERSATION_KINDS}))
            brought = BROUGHT.get(kind.partition(".")[0], f"your own with build_server(effects={{{kind!r}: ...}})")
            raise ValueError(f"no effect has the type {kind!r}; known are {known}; {ANSWERS.get(kind, f'add {brought}')}")
        return function

    async def perform(self, effect: AnyEffect, scope: Any) -> Any:
        """Perform an effect outside a conversation: from a response's ``effects``, or from a hook. Returns its result.

        Kinds that need a conversation (sends, timers, feeds, subscriptions) raise ``EffectRefused``.
        """
        kind = kind_of(effect)
        if kind in CONVERSATION_KINDS:
            raise EffectRefused(f"{kind} needs an open conversation: only a conversation's handler can yield it")
        return await self.find(kind)(effect, scope, NoMailbox(kind))


class NoMailbox(Mailbox):
    """Stands where a mailbox would be, and refuses with the reason."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def open(self, key: object, source: Source, bound: int) -> NoReturn:
        raise EffectRefused(f"{self._kind} needs an open conversation: its messages would go to nobody; yield it from the conversation's handler")

    async def close(self, key: object) -> NoReturn:
        raise EffectRefused(f"{self._kind} needs an open conversation; yield it from the conversation's handler")

    def is_open(self, key: object) -> bool:
        return False


def _without_mailbox(function: EffectFunction) -> ResourceEffect:
    if not callable(function):
        return function

    async def perform(effect: AnyEffect, scope: Any, mailbox: Mailbox) -> Any:
        return await function(effect, scope)

    return perform
