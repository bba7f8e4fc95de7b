"""What went wrong -> the answer to give and the record to write. Nothing of an exception ever reaches the client."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from secrets import token_hex
from typing import Any

from .deadline import DeadlinePassed
from .errors import ClientDisconnect, PeerError, ShallotError, Unavailable, real_error
from .response import problem
from .types import Refusal, Response
from .validate import RawHeaders, WriteHeaders

__all__ = ["add_cure", "dress", "report", "report_cut"]

log = logging.getLogger("shallot")

PUT_BY = {
    **dict.fromkeys(("accepted_language", "accepted_type"), "wrap_accept"),
    **dict.fromkeys(("form_params", "nested_params", "params", "query_params"), "wrap_parameters"),
    **dict.fromkeys(("path_params", "route"), "wrap_routes"),
    "cookies": "wrap_cookies",
    "files": "wrap_multipart",
    "identity": "wrap_auth",
    "json": "wrap_json",
    "request_id": "wrap_request_id",
    "session": "wrap_session",
}
"""Key of the request -> the middleware that puts it there."""
CURES = {
    **{key: f"{name} puts it there; it must stand in apply_middleware(...), outside of what asks for it" for key, name in PUT_BY.items()},
    "stream": "only requests that build_server(..., stream_body=...) chooses have it, the others have a body",
}
"""Key of the request -> where it comes from."""


def add_cure(error: BaseException) -> None:
    """Note at a ``KeyError`` of a request's well-known key what puts it there. Whose key it was cannot be seen: the note says ``if``.

    >>> error = KeyError("json")
    >>> add_cure(error)
    >>> error.__notes__
    ["if that was request['json']: wrap_json puts it there; it must stand in apply_middleware(...), outside of what asks for it"]
    """
    key: object = error.args[0] if isinstance(error, KeyError) and error.args else None
    if isinstance(key, str) and key in CURES:
        note = f"if that was request[{key!r}]: {CURES[key]}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)


def report(error: BaseException, scope: Mapping[str, Any], status: int | None = None) -> Response:
    """Write one record about ``error`` and give back the answer: ``status``, or the one that the error carries, or 500.

    A peer's fault is INFO and one line, ``Unavailable`` WARNING and one line. Ours is ERROR with the traceback and a trace id, which a 500 tells
    the client too.
    What the client sent stands in a record only escaped and cut (CVE-2020-7694), its headers, query and body never.
    """
    if status is None:
        status = error.status if isinstance(error, ShallotError) else 500
    if isinstance(error, PeerError):
        log.info("refused with %d: %.200a", status, str(error))
        return problem(status)
    if isinstance(error, Unavailable):
        log.warning("answered with 503: %.200a", str(error))
        return problem(status)
    add_cure(error)
    trace = token_hex(8)
    log.error("%.20s %.200a failed with %d [%s]", scope.get("method", "WS"), scope.get("path", ""), status, trace, exc_info=error, extra={"trace": trace})
    return problem(status, trace=trace) if status == 500 else problem(status)


def dress(answer: Response, request: Any, refusals: Iterable[Refusal], write_headers: WriteHeaders) -> tuple[Response, RawHeaders]:
    """An answer that no middleware has seen, changed by what they left for it (``on_refusal``), innermost first; and its header lines.

    A change that fails, or makes what cannot be sent, is logged and left out: the client is answered in any case.
    """
    lines = write_headers(answer, request)
    for change in refusals:
        try:
            changed = change(answer, request)
            if "stream" in changed or "file" in changed:
                raise ValueError("on_refusal may change status, headers and body; it gave back a stream or a file")
            lines = write_headers(changed, request)
        except Exception:
            log.exception("%s: on_refusal failed; its change is left out", getattr(change, "__qualname__", change))
        else:
            answer = changed
    return answer, lines


def report_cut(failure: BaseException) -> bool:
    """Write one record about what ended a response after its first byte, and say whether it is our fault.

    Every server cuts the connection of a response without its last event, so that it never looks whole. Our faults are raised too: the server,
    or the test, shall know.
    """
    match real_error(failure):
        case ClientDisconnect():
            log.debug("the client left before the end of the response")
        case DeadlinePassed():
            log.info("connection cut: the client took nothing of the response for send_s")
        case PeerError() as error:
            log.info("connection cut in the middle of a response: %.200a", str(error))
        case error:
            log.error("connection cut in the middle of a response", exc_info=error)
            return True
    return False
