"""memory_tickets: one-time tickets for what cannot send a header, such as a browser's WebSocket. A ticket that leaks through a log opens nothing any more."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from secrets import token_urlsafe
from threading import Lock
from typing import Any, NamedTuple

__all__ = ["Tickets", "memory_tickets"]


class Tickets(NamedTuple):
    """What ``memory_tickets`` gives."""

    issue: Callable[[Any], str]
    """``issue(identity)``: a new ticket for this identity, 43 characters of ``A-Za-z0-9-_``."""
    redeem: Callable[[str], Any]
    """``redeem(ticket)``: the identity that it was issued to; ``None`` if it is unknown, too old, or was redeemed before."""


def memory_tickets(*, seconds: float = 30, max_tickets: int = 10_000, clock: Callable[[], float] = time.monotonic) -> Tickets:
    """Tickets in the memory of this process: each opens one thing once, within ``seconds``, for the identity that it was issued to.

    | option | meaning | default |
    |---|---|---|
    | ``seconds`` | how long a ticket is good | 30 |
    | ``max_tickets`` | so many are kept; the oldest goes for a new one | 10,000 |
    | ``clock`` | seconds as they pass | ``time.monotonic`` |

    Only their digests are kept. Safe to use from threads. Several processes need a store that they share: any two functions like these will do.
    Wrong options are a ``ValueError``.

    >>> tickets = memory_tickets()
    >>> one = tickets.issue("ann")
    >>> tickets.redeem(one), tickets.redeem(one)
    ('ann', None)
    """
    if not seconds > 0 or max_tickets < 1:
        raise ValueError(f"memory_tickets: seconds must be more than 0 and max_tickets at least 1, not {seconds!r} and {max_tickets!r}")
    issued: OrderedDict[bytes, tuple[float, Any]] = OrderedDict()
    lock = Lock()

    def issue(identity: Any) -> str:
        if identity is None:
            raise ValueError("issue: a ticket is somebody's; None is nobody")
        ticket = token_urlsafe(32)
        now = clock()
        with lock:
            while issued and (len(issued) >= max_tickets or next(iter(issued.values()))[0] <= now):
                issued.popitem(last=False)
            issued[_digest(ticket)] = (now + seconds, identity)
        return ticket

    def redeem(ticket: str) -> Any:
        with lock:
            until, identity = issued.pop(_digest(ticket), (0.0, None))
        return identity if until > clock() else None

    return Tickets(issue, redeem)


def _digest(ticket: str) -> bytes:
    return sha256(ticket.encode("utf-8", "surrogatepass")).digest()
