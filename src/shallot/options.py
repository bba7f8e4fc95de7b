"""What build_server is given, checked before anything runs. Each error names the option and the cure."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import iscoroutinefunction
from typing import Any

from .limits import check_limits, default_limits
from .types import AllLimits

__all__ = ["check_effects", "check_options", "check_resources", "is_manager", "join_limits"]


def check_options(kind: Any, expected: str, **options: object) -> None:
    """``TypeError`` unless each option is left out (``None``) or of ``kind``."""
    for name, value in options.items():
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"build_server: {name} must be {expected}, not {value!r}")


def join_limits(limits: AllLimits, shorthands: AllLimits) -> AllLimits:
    """All limits: the defaults, changed by ``limits`` and by their shorthands. One given twice is a ``ValueError``.

    >>> join_limits({"body_s": 5}, {"body_bytes": 100})["body_bytes"]
    100
    """
    if both := sorted(limits.keys() & shorthands.keys()):
        raise ValueError(f"build_server: {', '.join(both)} is given by limits= and by its shorthand; leave out one of them")
    chosen = {**limits, **shorthands}
    check_limits(chosen, where="build_server")
    return {**default_limits(), **chosen}


def check_effects(effects: Mapping[str, Any]) -> None:
    """``TypeError`` unless each is an async function."""
    for kind, function in effects.items():
        if not iscoroutinefunction(function) and not iscoroutinefunction(type(function).__call__):
            raise TypeError(f"build_server: the effect {kind!r} must be an async function of (effect, scope), not {function!r}; write async def")


def check_resources(resources: Mapping[str, Any]) -> None:
    """``TypeError`` unless each can be entered, or called to give what can."""
    for name, resource in resources.items():
        if not is_manager(resource) and not callable(resource):
            cure = "give an async context manager, or a function of the config that returns one"
            raise TypeError(f"build_server: the resource {name!r} cannot be entered: {resource!r}; {cure}")


def is_manager(value: object) -> bool:
    """Whether ``async with value`` works. A class that makes such values is none: it is a function that returns one."""
    return hasattr(type(value), "__aenter__") and hasattr(type(value), "__aexit__")
