"""wrap_transcript: what each conversation heard and yielded, as lines of JSON that can be played again. It knows no handler and no channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from ..codec.transcripts import SECRETS, IsSecret, drop_objects, encode_value, format_record, redact, redact_query, secret_matcher
from ..compose import middleware_factory
from ..outcomes import with_tap
from ..types import Handler, Middleware, NextMiddleware, Response, Tap

__all__ = ["transcript_request", "wrap_transcript"]

NO_DATA = frozenset({"app", "asgi", "body", "config", "conversation_limits", "extensions", "headers_list", "http_version", "run_in_thread", "state", "stream"})
"""Keys of a request that a replay does not need, or that are no data."""


def transcript_request(request: Mapping[str, Any], secrets: Sequence[str] | IsSecret = SECRETS) -> dict[str, Any]:
    """What a transcript keeps of a request: its data, middlewares' keys included, without secrets.

    >>> transcript_request({"path": "/", "query_string": b"token=x", "headers": {"cookie": "a=1", "x-a": "1"}, "identity": "ann", "config": {}})
    {'path': '/', 'query_string': {'$bytes': 'dG9rZW49JTVCcmVkYWN0ZWQlNUQ='}, 'headers': {'cookie': '[redacted]', 'x-a': '1'}, 'identity': 'ann'}
    """
    kept = {key: value for key, value in request.items() if key not in NO_DATA}
    if "query_string" in kept:
        kept["query_string"] = redact_query(kept["query_string"], secrets)
    encoded: dict[str, Any] = drop_objects(encode_value(redact(kept, secrets)))
    return encoded


@middleware_factory
def wrap_transcript(write: Callable[[str], object], *, secrets: Sequence[str] = SECRETS) -> Middleware:
    """Write each conversation down: its request, each message that the handler heard, each effect that it yielded, and how it ended.

    | option | meaning | default |
    |---|---|---|
    | ``write`` | called with each line as it happens, in the loop: a method like ``open("night.jsonl", "a", buffering=1).write``, or a logger's | |
    | ``secrets`` | patterns of names, in lower case, whose values are not written | ``codec.transcripts.SECRETS`` |

    Lines are JSON with the ``id`` of the conversation, ``at``, seconds since it was accepted, and ``kind``: ``open`` (``handler``, ``params``, ``request``,
    ``time``), ``in`` (``message``), ``out`` (``effect``), ``result`` (``value`` or ``error``), ``end`` (``close``). Bytes are ``{"$bytes": base64}``.
    Put it innermost, behind ``wrap_routes``: there it hears what the handler hears. ``python -m shallot replay`` plays the lines again.

    Messages are written whole: a secret in plain text, outside of JSON, is no name's value. Keep transcripts like the data they hold.

    WebSocket: this; denials are not written. HTTP: passes untouched.

    >>> wrap_transcript(print).spec["name"]
    'wrap_transcript'
    """
    if not callable(write):
        raise TypeError(f"wrap_transcript: write must be a function of a line, like open(...).write, not {write!r}")
    if isinstance(secrets, str):
        raise TypeError(f"wrap_transcript: secrets must be a sequence of patterns, not the str {secrets!r}; write [{secrets!r}]")

    is_secret = secret_matcher(secrets)

    def middleware(next_middleware: NextMiddleware) -> NextMiddleware:
        async def transcript(handler: Handler, request: Any) -> Response:
            response = await next_middleware(handler, request)
            conversation = response.get("websocket")
            if conversation is None:
                return response
            return with_tap(response, _tap(write, is_secret, conversation["handler"], conversation["params"]))

        return transcript

    return middleware


def _tap(write: Callable[[str], object], is_secret: IsSecret, handler: Any, params: Sequence[Any]) -> Tap:
    name, clock = token_hex(8), asyncio.get_running_loop().time
    accepted = clock()

    def note(kind: str, **keys: Any) -> None:
        write(format_record({"id": name, "kind": kind, "at": round(clock() - accepted, 6), **keys}))

    def begin(scope: Any) -> None:
        nonlocal accepted
        accepted = clock()
        where = f"{getattr(handler, '__module__', '')}:{getattr(handler, '__qualname__', handler)}"
        request = transcript_request(scope, is_secret)
        note("open", handler=where, params=encode_value(params), request=request, time=datetime.now(UTC).isoformat(timespec="milliseconds"))

    def message(scope: Any, heard: Any) -> Any:
        note("in", message=encode_value(redact(heard, is_secret)))
        return heard

    def effect(scope: Any, yielded: Any) -> Any:
        note("out", effect=encode_value(redact(yielded, is_secret)))
        return yielded

    def result(scope: Any, yielded: Any, value: Any) -> None:
        told = {"error": f"{type(value).__name__}: {value}"} if isinstance(value, BaseException) else {"value": encode_value(redact(value, is_secret))}
        note("result", **told)

    def end(scope: Any) -> None:
        note("end", close=dict(scope["close"]))

    return {"begin": begin, "message": message, "effect": effect, "result": result, "end": end}
