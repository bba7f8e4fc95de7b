"""Topics: what holds for a channel, as data by patterns of its name. Checked once, at start; looked up once per channel."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from math import isfinite
from re import Pattern
from typing import Any, NamedTuple, TypeAlias, cast, get_args

from ..types import SlowReader
from .contract import Kept

__all__ = ["DEFAULTS", "POLICIES", "Allow", "Topic", "Topics", "check_slow"]

Allow: TypeAlias = Callable[[Any, str], Any]
"""``f(scope, channel) -> bool``, or async: may this conversation hear the channel?"""

POLICIES: tuple[str, ...] = get_args(SlowReader)
"""What may become of a reader that falls behind."""


class Topic(NamedTuple):
    """The settings of a channel. As data: a dict of those that differ from ``DEFAULTS``, by pattern: ``{"chat:*": {"keep": 1000}}``."""

    keep: int = 100
    """How many messages can be recovered, and read as history."""
    ttl_s: float = 300.0
    """For how many seconds."""
    dedupe_s: float = 60.0
    """For how many seconds a repeated id is recognised."""
    presence: bool = False
    """May readers be present (``subscribe(..., member=...)``), and does everybody hear of it?"""
    slow: SlowReader = "close"
    """What happens to a reader that falls behind by more than ``lag`` or ``lag_bytes``."""
    lag: int = 1000
    lag_bytes: int = 1_000_000
    block_s: float = 5.0
    """With ``slow="block"``: how long publishers wait, before the readers that hold them up are closed."""
    max_bytes: int = 1_048_576
    """The largest message, as JSON."""
    max_members: int = 10_000
    """The most members that one node brings to a channel."""
    allow: Allow | None = None
    """``f(scope, channel)``, asked on every subscribe; what is false is a ``Forbidden`` at the ``yield``. ``None``: everybody may."""

    @property
    def kept(self) -> Kept:
        return Kept(self.keep, self.ttl_s, self.dedupe_s)


DEFAULTS = Topic()
"""What holds for a channel that no pattern names."""

_LEAST: Mapping[str, float] = {"keep": 0, "ttl_s": 0, "dedupe_s": 0, "lag": 1, "lag_bytes": 1, "block_s": 0, "max_bytes": 1, "max_members": 1}
_MOST: Mapping[str, float] = {"keep": 1_000_000, "max_bytes": 16 * 1_048_576}


class Topics:
    """The table, checked. The first pattern that fits a name counts; ``*``, ``?`` and ``[abc]`` as in a shell, capitals count."""

    def __init__(self, topics: Mapping[str, Mapping[str, Any]] | None, *, local: bool) -> None:
        self._local = local
        self._rows: list[tuple[Pattern[str], Topic]] = []
        if topics is not None and not isinstance(topics, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # a user's value
            raise TypeError(f'topics: expected a dict like {{"chat:*": {{"keep": 1000}}}}, got {type(topics).__name__}')
        for pattern, settings in (topics or {}).items():
            if not isinstance(pattern, str) or not pattern:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"topics: a pattern is a str like 'chat:*', not {pattern!r}")
            self._rows.append((re.compile(translate(pattern)), _topic(f"topics[{pattern!r}]", settings, local=local)))

    def find(self, channel: str) -> Topic:
        """The settings of ``channel``."""
        return next((topic for pattern, topic in self._rows if pattern.match(channel)), DEFAULTS)

    def check_slow(self, slow: object) -> SlowReader:
        """``slow`` if it is a policy that this backend can keep."""
        return check_slow("subscribe", slow, local=self._local)


def check_slow(where: str, slow: object, *, local: bool) -> SlowReader:
    """``slow``, if it is one of ``POLICIES`` that this backend can hold to; ``ValueError`` names ``where`` it stands."""
    if slow not in POLICIES:
        raise ValueError(f"{where}: 'slow' must be one of {', '.join(POLICIES)}; got {slow!r}")
    if slow == "block" and not local:
        raise ValueError(f"{where}: slow='block' needs all readers in one process (memory_channels): a publisher cannot wait for other machines")
    return cast(SlowReader, slow)


def _topic(where: str, settings: Any, *, local: bool) -> Topic:
    if not isinstance(settings, Mapping):
        raise TypeError(f"{where}: expected a dict of settings, got {type(settings).__name__}")
    given = cast("Mapping[str, Any]", settings)
    if unknown := sorted(map(str, given.keys() - set(Topic._fields))):
        raise ValueError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(Topic._fields)}")
    for name, value in given.items():
        if name in _LEAST:
            _check_number(f"{where}: {name!r}", value, _LEAST[name], _MOST.get(name, 1e12), whole=not name.endswith("_s"))
    if not isinstance(given.get("presence", False), bool):
        raise TypeError(f"{where}: 'presence' must be a bool, got {given['presence']!r}")
    allow = given.get("allow")
    if allow is not None and not callable(allow):
        raise TypeError(f"{where}: 'allow' must be a function (scope, channel) -> bool, got {allow!r}")
    check_slow(where, given.get("slow", "close"), local=local)
    return Topic(**given)


def _check_number(where: str, value: Any, least: float, most: float, *, whole: bool) -> None:
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise TypeError(f"{where} must be {'an int' if whole else 'a number'}, got {value!r}")
    if not isfinite(value) or not least <= value <= most:
        raise ValueError(f"{where} must be from {least:g} to {most:g}, got {value!r}")
