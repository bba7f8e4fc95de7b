"""What was said in a conversation <-> JSON lines: bytes as base64, secrets left out by a table of names. Pure; nothing is recorded or played here."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import translate
from typing import Any, NamedTuple, TypeAlias, cast

from ..errors import BadRequest
from .json import JSONError, format_json, parse_json
from .query import format_query, parse_query
from .remembered import remembered

__all__ = [
    "REDACTED",
    "SECRETS",
    "Exchange",
    "IsSecret",
    "Recorded",
    "decode_value",
    "drop_objects",
    "encode_value",
    "format_record",
    "parse_transcript",
    "redact",
    "redact_query",
    "secret_matcher",
]

SECRETS: Sequence[str] = (
    *("authorization", "proxy-authorization", "*cookie*", "*csrf*", "sec-websocket-protocol", "*api-key*", "*api_key*", "*apikey*"),
    *("*password*", "*passwd*", "*secret*", "*token*", "*ticket*", "session*", "*signature*", "otp", "pin"),
)
"""Patterns of names, in lower case. What stands under such a name, at any depth, in headers, cookies, a query, effects and JSON messages, is not written."""

IsSecret: TypeAlias = Callable[[object], bool]
"""Tells whether what stands under a name is to be left out."""

REDACTED = "[redacted]"
"""Stands for what is not written."""


class Exchange(NamedTuple):
    """One message that the handler heard, or one effect that it yielded with what came of it; values as ``encode_value`` writes them."""

    kind: str
    """``"in"`` or ``"out"``"""
    value: Any
    result: Any = None
    error: str | None = None
    """``"Forbidden: why"``: what was raised at the ``yield``"""
    at: float = 0.0
    """Seconds since the conversation was accepted"""


class Recorded(NamedTuple):
    """One conversation of a transcript."""

    id: str
    handler: str
    """``module:qualified.name``"""
    params: Sequence[Any]
    request: Mapping[str, Any]
    exchanges: Sequence[Exchange]
    close: Mapping[str, Any] | None
    """``{"code", "reason", "by"}``; ``None`` where the record breaks off"""


def encode_value(value: Any) -> Any:
    """``value`` as what JSON can say. ``bytes`` and what is no data at all become objects with a key of ``$``.

    >>> encode_value({"a": (b"hi", object())})
    {'a': [{'$bytes': 'aGk='}, {'$object': 'object'}]}
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value - value == 0 else {"$object": repr(value)}  # JSON has no infinity
        case bytes() | bytearray():
            return {"$bytes": b64encode(value).decode()}
        case Mapping():
            pairs = cast("Mapping[object, Any]", value).items()
            encoded = {str(key): encode_value(inner) for key, inner in pairs}
            return {"$dict": encoded} if any(key.startswith("$") for key in encoded) else encoded
        case list() | tuple():
            return [encode_value(inner) for inner in cast("Sequence[Any]", value)]
        case _:
            return {"$object": type(value).__qualname__}


def decode_value(value: Any) -> Any:
    """The counterpart of ``encode_value``; ``ValueError`` for what was no data.

    >>> decode_value({"$bytes": "aGk="})
    b'hi'
    """
    match value:
        case {"$bytes": str(text), **rest} if not rest:
            return b64decode(text)
        case {"$dict": inner, **rest} if not rest:
            return {key: decode_value(each) for key, each in inner.items()}
        case {"$object": name, **rest} if not rest:
            raise ValueError(f"a {name} is no data, so a transcript cannot bring it back")
        case dict():
            return {key: decode_value(each) for key, each in cast("dict[str, Any]", value).items()}
        case list():
            items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
            return [decode_value(each) for each in items]
        case _:
            return value


def drop_objects(encoded: Any) -> Any:
    """An encoded value without what is no data: entries and items that say ``$object`` are left out.

    >>> drop_objects(encode_value({"a": object(), "b": [1, object()]}))
    {'b': [1]}
    """
    match encoded:
        case dict():
            pairs = cast("dict[str, Any]", encoded).items()
            return {key: drop_objects(inner) for key, inner in pairs if not _is_object(inner)}
        case list():
            return [drop_objects(inner) for inner in cast("Sequence[Any]", encoded) if not _is_object(inner)]
        case _:
            return encoded


def _is_object(encoded: Any) -> bool:
    return isinstance(encoded, dict) and "$object" in encoded


def secret_matcher(secrets: Sequence[str]) -> IsSecret:
    """A function that tells whether a name is one of ``secrets``: made once, it is asked for each name of each message.

    >>> is_secret = secret_matcher(["*token*"])
    >>> is_secret("Access-Token"), is_secret("name"), is_secret(5)
    (True, False, False)
    """
    if not secrets:
        return lambda name: False
    search = re.compile("|".join(map(translate, secrets))).match
    known = remembered(lambda name: search((name or "").lower()) is not None)
    return lambda name: isinstance(name, str) and known(name)


def redact(value: Any, secrets: Sequence[str] | IsSecret = SECRETS) -> Any:
    """``value`` without what stands under a name of ``secrets``, patterns or what ``secret_matcher`` made of them. A ``str`` that is a JSON object or array
    is looked into.

    >>> redact({"user": "ann", "Password": "x", "said": '{"token":"y"}'})
    {'user': 'ann', 'Password': '[redacted]', 'said': '{"token":"[redacted]"}'}
    """
    return _redact(value, secrets if callable(secrets) else secret_matcher(secrets))


def _redact(value: Any, is_secret: IsSecret) -> Any:
    match value:
        case str():
            return _redact_json(value, is_secret) if value[:1] in ("{", "[") else value
        case Mapping():
            pairs = cast("Mapping[object, Any]", value).items()
            return {key: _blank(inner) if is_secret(key) else _redact(inner, is_secret) for key, inner in pairs}
        case list() | tuple():
            return [_redact(inner, is_secret) for inner in cast("Sequence[Any]", value)]
        case _:
            return value


def redact_query(query: bytes, secrets: Sequence[str] | IsSecret = SECRETS) -> bytes:
    """A query string without the values of secret names; one that cannot be read is left out whole.

    >>> redact_query(b"room=1&token=x")
    b'room=1&token=%5Bredacted%5D'
    """
    try:
        params = parse_query(query, keep_blank_values=True)
    except BadRequest:
        return REDACTED.encode()
    is_secret = secrets if callable(secrets) else secret_matcher(secrets)
    return format_query(_redact(params, is_secret)).encode() if any(map(is_secret, params)) else query


def _blank(value: Any) -> Any:
    """Nothing of it but its shape, so that a handler finds the keys that it looks for."""
    match value:
        case Mapping():
            return {key: _blank(inner) for key, inner in cast("Mapping[object, Any]", value).items()}
        case list() | tuple():
            return [_blank(inner) for inner in cast("Sequence[Any]", value)]
        case None | bool():
            return value
        case _:
            return REDACTED


def _redact_json(text: str, is_secret: IsSecret) -> str:
    try:
        value = parse_json(text.encode())
    except (JSONError, UnicodeEncodeError):
        return text
    clean = _redact(value, is_secret)
    return text if clean == value else format_json(clean).decode()


def format_record(record: Mapping[str, Any]) -> str:
    """One line of a transcript, with its line break."""
    return f"{format_json(record).decode()}\n"


def parse_transcript(lines: Iterable[str]) -> list[Recorded]:
    """The conversations of a transcript in the order in which they began; ``ValueError`` says which line is wrong. Empty lines do not count."""
    opened: dict[str, dict[str, Any]] = {}
    exchanges: dict[str, list[Exchange]] = {}
    closes: dict[str, Any] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = parse_json(line.strip().encode())
            name, kind = record["id"], record["kind"]
            match kind:
                case "open":
                    opened[name], exchanges[name] = record, []
                case "in":
                    exchanges[name].append(Exchange("in", record["message"], at=record["at"]))
                case "out":
                    exchanges[name].append(Exchange("out", record["effect"], at=record["at"]))
                case "result":
                    last = max(index for index, exchange in enumerate(exchanges[name]) if exchange.kind == "out")
                    exchanges[name][last] = exchanges[name][last]._replace(result=record.get("value"), error=record.get("error"))
                case "end":
                    closes[name] = record["close"]
                case _:
                    raise ValueError(f"no record has the kind {kind!r}")
        except (JSONError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"transcript, line {number}: expected a record that wrap_transcript writes, got {line.strip()[:80]!r}") from error
    return [
        Recorded(name, record["handler"], decode_value(record["params"]), decode_value(record["request"]), exchanges[name], closes.get(name))
        for name, record in opened.items()
    ]
