"""What went wrong -> the answer to give and the record to write. Nothing of an exception ever reaches the client."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from secrets import token_hex
from types import TracebackType
from typing import Any, TypeGuard, cast

from .deadline import DeadlinePassed
from .errors import ClientDisconnect, PeerError, ShallotError, Unavailable, real_error
from .response import problem
from .types import Refusal, Response
from .validate import RawHeaders, WriteHeaders, no_response

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


_AWAITED = re.compile(r"\bdict\b.*\bawait")
_RECEIVER = re.compile(r"\bReceiver\b")


def add_cure(error: BaseException) -> None:
    """Note at an error that beginners make what was meant. What it was about cannot always be seen: then the note says ``if``.

    >>> error = KeyError("json")
    >>> add_cure(error)
    >>> error.__notes__
    ["if that was request['json']: wrap_json puts it there; it must stand in apply_middleware(...), outside of what asks for it"]
    """
    note = _cure(error)
    if note is not None and note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def _cure(error: BaseException) -> str | None:
    if isinstance(error, KeyError):
        key: object = error.args[0] if error.args else None
        return f"if that was request[{key!r}]: {CURES[key]}" if isinstance(key, str) and key in CURES else None
    if not isinstance(error, (AttributeError, TypeError)):
        return None
    if isinstance(error, AttributeError) and _is_request(error.obj):
        where = f"; {CURES[error.name]}" if error.name in CURES and error.name not in error.obj else ""
        return f"a request is a dict: write request[{error.name!r}]{where}"
    if _RECEIVER.search(str(error)):
        return "if that was the receiver: it is iterated, async for message in receiver; a single message is await anext(receiver)"
    if _AWAITED.search(str(error)):
        return "a dict is not awaited: an effect is yielded, like yield ws_send('hi'), and a response returned"
    return _missing_response(error)


def _is_request(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict) and cast("dict[str, Any]", value).get("type") in ("http", "websocket") and "headers" in value


def _missing_response(error: BaseException) -> str | None:
    """Layers call what they were given ``response``: where it is no dict, and the error is about one of its kind, that is why the layer failed."""
    last: TracebackType | None = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    response: object = {} if last is None else last.tb_frame.f_locals.get("response", {})
    told = no_response(response)
    if isinstance(response, dict) or type(response).__name__ not in str(error) or str(error) == told:
        return None
    return f"if that was a layer's response: {told}"


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
