"""What a function made of a text, kept for when the text comes again: clients repeat themselves. Bounded; whoever makes one owns what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

__all__ = ["remembered"]

T = TypeVar("T")

MOST = 256
"""Texts that are kept; the one that was not asked for longest goes."""
LONGEST = 512
"""Characters: longer texts are rare, and not kept."""


def remembered(function: Callable[[str | None], T]) -> Callable[[str | None], T]:
    """``function``, a pure one of a header's value (``None``: there is none), which is asked only once for what comes again.

    What it gives back is shared: nobody may change it.

    >>> upper = remembered(lambda text: text and text.upper())
    >>> upper("a"), upper(None)
    ('A', None)
    """
    kept = lru_cache(maxsize=MOST)(function)

    def recall(text: str | None) -> T:
        return kept(text) if text is None or len(text) <= LONGEST else function(text)

    return recall
