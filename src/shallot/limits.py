"""Every bound and every deadline, by name, in one table. Nothing here measures or waits."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

__all__ = ["CONVERSATION_LIMITS", "LIMITS", "check_limits", "default_limits", "own_limits"]


class Limit(NamedTuple):
    default: float | None
    """``None``: off."""
    unit: str
    local: bool
    """May also be set by ``@websocket`` and by a route's ``data["limits"]``."""
    over: str
    """What happens beyond it."""


LIMITS: Mapping[str, Limit] = {
    "header_lines": Limit(128, "lines", False, "431"),
    "header_bytes": Limit(32 * 1024, "bytes", False, "431"),
    "query_bytes": Limit(16 * 1024, "bytes", False, "414"),
    "body_bytes": Limit(1024 * 1024, "bytes", False, "413"),
    "body_s": Limit(30, "seconds", False, "408"),
    "body_min_rate": Limit(500, "bytes per second, after the first five seconds", False, "408"),
    "stream_bytes": Limit(100 * 1024 * 1024, "bytes", False, "BodyTooLarge in the iteration, uncaught 413"),
    "response_s": Limit(60, "seconds until the response, not its stream", False, "503"),
    "send_s": Limit(20, "seconds for each chunk and each message", True, "the stream is cut, the conversation ended"),
    "effects_s": Limit(5, "seconds for all effects of a response", False, "503"),
    "max_message_bytes": Limit(1024 * 1024, "bytes", True, "close 1009"),
    "max_unread": Limit(64, "messages", True, "the engine stops reading"),
    "max_unread_bytes": Limit(1024 * 1024, "bytes", True, "the engine stops reading"),
    "max_sources": Limit(1000, "timers, feeds and subscriptions", True, "EffectRefused at the yield"),
    "accept_s": Limit(10, "seconds", True, "denial 503"),
    "idle_s": Limit(None, "seconds without a message", True, "close 1001"),
    "linger_s": Limit(5, "seconds", True, "the handler is cancelled"),
    "unread_s": Limit(5, "seconds", True, "taken as send-only: messages are discarded"),
    "stuck_s": Limit(60, "seconds", True, "close 1008"),
    "hook_s": Limit(5, "seconds for each hook, and for each clean-up", False, "logged"),
    "shutdown_s": Limit(10, "seconds", False, "cancelled"),
}
"""Name -> default, unit, whether a conversation may set its own, and what happens beyond it."""

CONVERSATION_LIMITS = frozenset(name for name, limit in LIMITS.items() if limit.local)
"""The names of those that ``@websocket`` and a route may set."""

_WHOLE = {"bytes", "lines", "messages", "timers, feeds and subscriptions"}
"""Units of which there is no half."""


def default_limits() -> dict[str, Any]:
    """A fresh dict of all limits at their defaults."""
    return {name: limit.default for name, limit in LIMITS.items()}


def check_limits(limits: Mapping[str, object], *, where: str, local: bool = False) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless each key is a limit's name and each value one it may have.

    ``where`` opens the error's text. With ``local`` only those limits pass that a route or ``@websocket`` may set.

        >>> check_limits({"body_byte": 1}, where="build_server")
        Traceback (most recent call last):
        ...
        ValueError: build_server: no limit is named 'body_byte'; did you mean 'body_bytes'?
    """
    for name, value in limits.items():
        if name not in LIMITS or (local and not LIMITS[name].local):
            raise ValueError(f"{where}: {_unknown(name, local)}")
        if value is None:
            if LIMITS[name].default is not None:
                raise ValueError(f"{where}: limit {name!r} cannot be off; expected a number of {LIMITS[name].unit}")
            continue
        whole = LIMITS[name].unit in _WHOLE
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise TypeError(f"{where}: limit {name!r} must be a {'whole ' if whole else ''}number of {LIMITS[name].unit}, not {value!r}")
        if not 0 < value < float("inf"):
            raise ValueError(f"{where}: limit {name!r} must be above zero and finite ({LIMITS[name].unit}), not {value!r}")


def own_limits(request: Mapping[str, Any], outer: Mapping[str, Any]) -> Mapping[str, Any]:
    """``outer``, or a copy changed by the limits of the ``@websocket`` that the request has reached, else of its row. Whatever else stands there says nothing.

    >>> own_limits({"route": {"data": {"limits": {"send_s": 5}}}}, {"send_s": 20, "idle_s": None})
    {'send_s': 5, 'idle_s': None}
    """
    own: Mapping[str, Any]
    match request:
        case {"conversation_limits": own} | {"route": {"data": {"limits": own}}}:
            return {**outer, **own}
        case _:
            return outer


def _unknown(name: object, local: bool) -> str:
    if name in LIMITS:
        return f"limit {name!r} holds for the whole app; set it with build_server(limits={{{name!r}: ...}})"
    names = CONVERSATION_LIMITS if local else LIMITS
    near = get_close_matches(str(name), names, 1)
    return f"no limit is named {name!r}" + (f"; did you mean {near[0]!r}?" if near else f"; the names are {', '.join(sorted(names))}")
