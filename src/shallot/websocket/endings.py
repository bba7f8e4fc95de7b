"""How conversations end: which exception, leaving or limit means which close. Pure."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Mapping
from typing import Literal, NamedTuple

from ..errors import CloseWith, ShallotError, WSDisconnect
from .wire import check_close

__all__ = ["CUTS", "GONE", "LEFT", "Ending", "ending_of", "is_expected"]

log = logging.getLogger("shallot.websocket")


class Ending(NamedTuple):
    """How a conversation ends: what ``scope["close"]`` tells, and whether a close frame is ours to send."""

    code: int
    reason: str
    by: Literal["client", "server"]
    send: bool


ENDED = Ending(1000, "", "server", True)
FAILED = Ending(1011, "", "server", True)
GONE = Ending(1006, "", "client", False)
"""Nothing reaches the client any more, and nobody tells why."""
LEFT: Mapping[tuple[int, str] | None, Ending] = {(code, ""): Ending(code, "", "client", False) for code in (1000, 1001, 1005, 1006)}
"""How most clients leave."""
CUTS: Mapping[str, Ending] = {
    "idle": Ending(1001, "", "server", True),
    "stuck": Ending(1008, "", "server", True),
    "blocked": Ending(1006, "", "server", False),
    "deaf": Ending(1011, "", "server", True),
    "shutdown": Ending(1012, "", "server", True),
}
"""Why the engine itself ends a conversation. ``blocked``: the client does not take what we send, so no frame would get through."""


def is_expected(failure: BaseException, left: tuple[int, str] | None, cut: str | None, cancelled: bool) -> bool:
    """May a handler raise ``failure`` without anybody hearing of it?"""
    if isinstance(failure, CancelledError):
        return cancelled or cut is not None
    if isinstance(failure, WSDisconnect):
        return left is not None
    return isinstance(failure, CloseWith)


def ending_of(failure: BaseException | None, left: tuple[int, str] | None, cut: str | None, cancelled: bool) -> Ending:
    """The ending: the client's leaving goes before our own cut, that before the server's cancellation, that before what the handler raised."""
    if left is not None:
        code, reason = left
        return LEFT.get(left) or Ending(code, reason, "server" if code == 1012 else "client", False)
    if cut is not None and cut in CUTS:
        return CUTS[cut]
    if cancelled:
        return CUTS["shutdown"]
    if failure is None:
        return ENDED
    if isinstance(failure, CloseWith):
        try:
            return Ending(*check_close(failure.code, failure.reason), "server", True)
        except (TypeError, ValueError) as error:
            log.error("CloseWith cannot be sent: %s", error)
            return FAILED
    return FAILED._replace(code=failure.close_code) if isinstance(failure, ShallotError) else FAILED
