"""The exception tree. Each error says whose fault it is; a peer's fault carries the answer to give.

ShallotError
 +-- PeerError            the client's fault: an HTTP status, and the close code that means the same on a WebSocket
 |    +-- BadRequest          400
 |    +-- RequestTimeout      408   the body came too slowly
 |    +-- BodyTooLarge        413   more bytes than the bound
 |    +-- UriTooLong          414
 |    +-- UnsupportedMedia    415
 |    +-- HeadersTooLarge     431
 |    +-- ClientDisconnect         the client of an HTTP request left: there is nobody to answer
 +-- WSDisconnect         the client left: raised by the receiver's iteration
 +-- CloseWith            end this conversation with a close code: raised by taps, receivers and handlers
 +-- EffectRefused        an effect that cannot be performed here or now
 +-- Forbidden            an effect that this conversation may not perform
 +-- Unavailable          a resource is down: 503, worth a retry

Ours to raise at build time are plain TypeError and ValueError.
"""

from __future__ import annotations

from asyncio import CancelledError, current_task
from collections.abc import Sequence
from typing import ClassVar

__all__ = [
    "BadRequest",
    "BodyTooLarge",
    "CloseWith",
    "EffectRefused",
    "Forbidden",
    "HeadersTooLarge",
    "PeerError",
    "RequestTimeout",
    "ShallotError",
    "Unavailable",
    "UnsupportedMedia",
    "UriTooLong",
    "WSDisconnect",
]


class ShallotError(Exception):
    """The root: catch it to catch all of shallot's own."""

    status: ClassVar[int] = 500
    close_code: ClassVar[int] = 1011


class PeerError(ShallotError):
    """The client's fault. ``status`` is the HTTP answer (RFC 9110), ``close_code`` the WebSocket one (RFC 6455 7.4.1)."""

    status: ClassVar[int] = 400
    close_code: ClassVar[int] = 1008


class BadRequest(PeerError):
    """Something in the request is not what its specification allows (400)."""


class RequestTimeout(PeerError):
    """The request's body came too slowly (408)."""

    status = 408


class BodyTooLarge(PeerError):
    """The request's body is larger than its bound (413)."""

    status = 413
    close_code = 1009


class UriTooLong(PeerError):
    """The query string is longer than its bound (414)."""

    status = 414


class UnsupportedMedia(PeerError):
    """The body's type or coding is not one we read (415)."""

    status = 415
    close_code = 1003


class HeadersTooLarge(PeerError):
    """More header lines or bytes than their bound (431, RFC 6585)."""

    status = 431


class ClientDisconnect(PeerError):
    """The client of an HTTP request left before its body or the response was whole. Uncaught: nothing is sent, one DEBUG record."""


class WSDisconnect(ShallotError):
    """The client left. ``code`` and ``reason`` as the server tells them (1005 and ``""`` where it tells none)."""

    __slots__ = ("code", "reason")

    def __init__(self, code: int = 1005, reason: str = "") -> None:
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"the client left: {self.code} {self.reason}".rstrip()


class CloseWith(ShallotError):
    """End the conversation with this close ``code`` and ``reason`` (RFC 6455 7.4; at most 123 bytes of UTF-8)."""

    def __init__(self, code: int, reason: str = "") -> None:
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"close with {self.code} {self.reason}".rstrip()


class EffectRefused(ShallotError, RuntimeError):
    """An effect was yielded where it cannot be performed; the text names the place where it can."""


class Forbidden(ShallotError):
    """The effect is not allowed for this conversation (a topic's ``allow`` said no)."""

    status = 403
    close_code = 1008


class Unavailable(ShallotError):
    """A resource is down or too slow: 503, a retry may help."""

    status = 503
    close_code = 1013


def real_error(error: BaseException) -> BaseException:
    """The one error in a group (of groups), cancellations apart; a group of several, and anything else, as it is.

    >>> real_error(ExceptionGroup("", [ExceptionGroup("", [KeyError("x")])]))
    KeyError('x')
    """
    inside: Sequence[BaseException] = getattr(error, "exceptions", ()) if issubclass(type(error), BaseExceptionGroup) else ()
    errors = [one for one in inside if not isinstance(one, CancelledError)]
    return real_error(errors[0]) if len(errors) == 1 else error


def is_failure(error: BaseException) -> bool:
    """Is this to be answered? Not so where the running task shall end. A cancellation that nobody asked of it came out of another task, or a future,
    that was cancelled: it is an error like others.

    >>> is_failure(KeyError("x")), is_failure(KeyboardInterrupt())
    (True, False)
    """
    error = real_error(error)
    if isinstance(error, CancelledError):
        task = current_task()
        return task is not None and not task.cancelling()
    return isinstance(error, Exception)
