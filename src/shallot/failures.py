"""What went wrong -> the answer to give and the record to write. Nothing of an exception ever reaches the client."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from .errors import PeerError, ShallotError
from .response import problem
from .types import Response

__all__ = ["report"]

log = logging.getLogger("shallot")


def report(error: BaseException, scope: Mapping[str, Any], status: int | None = None) -> Response:
    """Write one record about ``error`` and give back the answer: ``status``, or the one that the error carries, or 500.

    A peer's fault is INFO and one line. Ours is ERROR with the traceback and a trace id, which a 500 tells the client too.
    What the client sent stands in a record only escaped and cut (CVE-2020-7694), its headers, query and body never.
    """
    if status is None:
        status = error.status if isinstance(error, ShallotError) else 500
    if isinstance(error, PeerError):
        log.info("refused with %d: %.200a", status, str(error))
        return problem(status)
    trace = token_hex(8)
    log.error("%.20s %.200a failed with %d [%s]", scope.get("method", "WS"), scope.get("path", ""), status, trace, exc_info=error, extra={"trace": trace})
    return problem(status, trace=trace) if status == 500 else problem(status)
