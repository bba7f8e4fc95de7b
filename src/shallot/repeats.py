"""The same failure again and again: the traceback of the eleventh within a minute tells nobody anything, and fills the disk. Writes nothing itself."""

from __future__ import annotations

from time import monotonic

__all__ = ["Repeats"]

MOST = 10
WITHIN_S = 60.0
MAX_SITES = 256

_Site = tuple[type[BaseException], str, int]


class Repeats:
    """Counts failures by site, which is their class and the line that raised. It holds no exception, and at most 256 sites."""

    __slots__ = ("_sites",)

    def __init__(self) -> None:
        self._sites: dict[_Site, tuple[float, int]] = {}

    def is_news(self, error: BaseException) -> bool:
        """Whether ``error`` is one of the first ten from its site within this minute, so that its traceback is worth a record."""
        site, now = _site_of(error), monotonic()
        began, count = self._sites.pop(site, (now, 0))
        if now - began >= WITHIN_S:
            began, count = now, 0
        self._sites[site] = began, count + 1
        if len(self._sites) > MAX_SITES:
            del self._sites[next(iter(self._sites))]
        return count < MOST


def _site_of(error: BaseException) -> _Site:
    traceback = error.__traceback__
    if traceback is None:
        return type(error), "", 0
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return type(error), traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
