"""What is wrong with a request, a response, an effect or a message: questions about SPEC.md's tables. Pure; it raises nothing and knows no middleware."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, cast

from .keys import CONVERSATION, EFFECTS, MESSAGES, REQUEST, RESPONSE, Key
from .resuming import wants_events
from .validate import HOP_BY_HOP, handshake_headers, header_writer, is_handshake

__all__ = ["effect_faults", "message_faults", "request_faults", "response_faults"]

ELSEWHERE = {"code": "status", "content": "body", "data": "body", "json": "body", "status_code": "status", "text": "body"}
"""What keys of a response are called by others."""


def request_faults(request: Any) -> list[str]:
    """What is wrong with a request dict; nothing: ``[]``.

    >>> request_faults({"type": "http", "method": "get", "path": "/", "headers": {}, "headers_list": [], "body": b"", "config": {}})
    ["request['method']: expected a token in upper case, got the str 'get'"]
    """
    return list(_request_faults(request))


def _request_faults(request: Any) -> Iterator[str]:
    if not isinstance(request, dict):
        yield f"expected a request, a dict, got {_shown(request)}"
        return
    given = cast("dict[str, Any]", request)
    yield from _key_faults("request", given, REQUEST)
    is_websocket = given.get("type") == "websocket"
    if is_websocket != (given.get("method") == "WS"):
        yield f"request: the method 'WS' and the type 'websocket' belong together, got {given.get('method')!r} and {given.get('type')!r}"
    if is_websocket and (given.get("body") or "stream" in given):
        yield "request: a WebSocket's handshake has no body and no stream"
    if odd := [name for name in _keys(given.get("headers")) if name != name.lower()]:
        yield f"request['headers']: names are lower case, got {odd[0]!r}"


def response_faults(response: Any, request: Mapping[str, Any]) -> list[str]:
    """What is wrong with a response to ``request``, as it may travel between two layers: ``cookies`` that nobody turned into headers are right there.

    >>> response_faults({"status": 200, "body": "hi"}, {"type": "http", "method": "GET"})
    ["response['body']: expected bytes, got the str 'hi'"]
    """
    return list(_response_faults(response, request))


def _response_faults(response: Any, request: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(response, dict):
        yield f"expected a response, a dict like {{'status': 200}}, got {_shown(response)}"
        return
    given = cast("dict[str, Any]", response)
    faults = [*_key_faults("response", given, RESPONSE)]
    faults += [f"response[{key!r}]: nothing reads that; did you mean {meant!r}?" for key in given if (meant := _meant(key)) not in {None, *given}]
    if RESPONSE["effects"].fits(given.get("effects", ())):
        faults += [fault for effect in given.get("effects", ()) for fault in effect_faults(effect)]
    if is_handshake(given):
        faults += _handshake_faults(given, request)
    elif "websocket" in given:
        faults.append(f"response['websocket']: only a response with status 101 opens a conversation, this one has {given.get('status')!r}")
    elif hop := [name for name in _keys(given.get("headers")) if name.lower().encode() in HOP_BY_HOP]:
        if given.get("status") != 426:
            faults.append(f"response['headers']: {hop[0]!r} is the server's to say")
    yield from faults or _form_faults(given, request)


def _meant(key: object) -> str | None:
    """The key of ours that ``key`` is a slip for."""
    if not isinstance(key, str) or key in RESPONSE:
        return None
    return ELSEWHERE.get(key) or next(iter(get_close_matches(key.lower(), RESPONSE, 1, cutoff=0.8)), None)


def _form_faults(response: Mapping[str, Any], request: Mapping[str, Any]) -> Iterator[str]:
    """What the core would say of it, but for the cookies, which a layer outside may still turn into headers."""
    whole = {key: value for key, value in response.items() if key != "cookies"}
    try:
        handshake_headers(whole) if is_handshake(whole) else header_writer()(whole, request)
    except (TypeError, ValueError) as error:
        yield f"response: {error}"


def _handshake_faults(response: Mapping[str, Any], request: Mapping[str, Any]) -> Iterator[str]:
    if request.get("type") != "websocket" and not wants_events(request):
        yield "response['status']: 101 answers the handshake of a WebSocket, and this request is none"
    if isinstance(response["websocket"], dict):
        conversation = cast("dict[str, Any]", response["websocket"])
        yield from _key_faults("response['websocket']", conversation, CONVERSATION)
        chosen = conversation.get("subprotocol")
        if chosen is not None and chosen not in request.get("subprotocols", ()):
            yield f"response['websocket']: the client did not offer the subprotocol {chosen!r}"


def effect_faults(effect: Any) -> list[str]:
    """What is wrong with an effect.

    >>> effect_faults({"type": "websocket.send"})
    ["effect: a websocket.send has exactly one of 'text' and 'bytes'"]
    """
    faults = [*_kind_faults("effect", effect, EFFECTS)]
    if not faults and effect["type"] == "websocket.send" and (effect.get("text") is None) == (effect.get("bytes") is None):
        faults.append("effect: a websocket.send has exactly one of 'text' and 'bytes'")
    return faults


def message_faults(message: Any) -> list[str]:
    """What is wrong with a message to the handler: ``str``, ``bytes``, or a dict with a ``type``.

    >>> message_faults({"type": "timer.fired", "name": "tick"})
    ["message: needs the key 'missed'"]
    """
    return [] if isinstance(message, (str, bytes)) else [*_kind_faults("message", message, MESSAGES)]


def _kind_faults(what: str, value: Any, kinds: Mapping[str, Mapping[str, Key]]) -> Iterator[str]:
    if not isinstance(value, Mapping) or not isinstance(cast("Mapping[str, Any]", value).get("type"), str):
        yield f"expected {'an' if what == 'effect' else 'a'} {what}, a dict with a 'type', got {_shown(value)}"
        return
    given = cast("Mapping[str, Any]", value)
    yield from _key_faults(what, given, kinds.get(given["type"], {}))


def _key_faults(what: str, given: Mapping[str, Any], table: Mapping[str, Key]) -> Iterator[str]:
    for name, key in table.items():
        if name in given:
            if not key.fits(given[name]):
                yield f"{what}[{name!r}]: expected {key.expected}, got {_shown(given[name])}"
        elif key.required:
            yield f"{what}: needs the key {name!r}"


def _keys(value: Any) -> list[str]:
    """The texts among the keys of what should be a dict."""
    return [name for name in cast("dict[Any, Any]", value) if isinstance(name, str)] if isinstance(value, Mapping) else []


def _shown(value: Any) -> str:
    """A value in a fault: short ones of harmless types are written out, of others, which may hold secrets, only the type."""
    if value is None:
        return "None"
    kind = f"the {type(value).__name__}"
    return f"{kind} {value!r:.60}" if isinstance(value, (str, int, float)) else f"{'an' if kind[4] in 'aeiou' else 'a'} {type(value).__name__}"
