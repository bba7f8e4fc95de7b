"""Header lines (RFC 9110 5) <-> dicts. Knows what a name and a value may hold, and of no header what it means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import cast

__all__ = ["COMMON_NAMES", "find_header", "format_headers", "parse_headers", "parse_media_type", "parse_parameters", "with_header", "with_vary"]

_COMMON = """accept accept-encoding accept-language accept-ranges access-control-allow-credentials access-control-allow-headers
access-control-allow-methods access-control-allow-origin access-control-expose-headers access-control-max-age access-control-request-headers
access-control-request-method age allow authorization cache-control connection content-disposition content-encoding content-language
content-length content-location content-range content-security-policy content-type cookie cross-origin-opener-policy
cross-origin-resource-policy date dnt etag expect expires forwarded host if-match if-modified-since if-none-match if-range
if-unmodified-since keep-alive last-event-id last-modified link location origin permissions-policy pragma priority proxy-authorization range
referer referrer-policy retry-after sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site
sec-fetch-user sec-websocket-extensions sec-websocket-key sec-websocket-protocol sec-websocket-version server set-cookie
strict-transport-security te traceparent tracestate trailer transfer-encoding upgrade upgrade-insecure-requests user-agent vary via
www-authenticate x-content-type-options x-csrf-token x-forwarded-for x-forwarded-host x-forwarded-proto x-frame-options x-real-ip
x-request-id x-requested-with""".split()


COMMON_NAMES: Mapping[bytes, str] = {name.encode(): name for name in _COMMON}
"""Names as they come -> as we call them."""
_BYTES = {name: name.encode() for name in _COMMON}

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MEDIA_TYPE = re.compile(rf"[ \t]*({_TOKEN.pattern}/{_TOKEN.pattern})[ \t]*(?:;|\Z)")
# Every part may be empty, so a match never fails, never goes back, and the next begins where it ended: linear in the text.
_PARAMETER = re.compile(r'[ \t]*(?P<name>[^=; \t]*)[ \t]*(?:=[ \t]*(?:"(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"?|(?P<plain>[^;]*)))?[^;]*;?', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse_headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """ASGI's pairs as a dict: names lower case, values latin-1 (so never an error), repeats joined in order by ``,`` and ``cookie`` by ``; ``.

    >>> parse_headers([(b"host", b"x"), (b"accept", b"a/b"), (b"accept", b"c/d")])
    {'host': 'x', 'accept': 'a/b,c/d'}
    """
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}
    return headers if len(headers) == len(raw) else _join(raw)


def _join(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    for name, value in raw:
        values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return {name: ("; " if name == "cookie" else ",").join(lines) for name, lines in values.items()}


def format_headers(headers: Mapping[str, str | list[str]]) -> list[tuple[bytes, bytes]]:
    """A response's headers as ASGI's pairs: names lower case, a list as one line per member, blanks around a value cut off.

    Names must be tokens and differ in more than case, values be ``str`` of latin-1 without controls but tab (RFC 9110 5.5, 5.6.2);
    ``TypeError`` or ``ValueError`` else.

        >>> format_headers({"Vary": "origin", "set-cookie": ["a=1", "b=2"]})
        [(b'vary', b'origin'), (b'set-cookie', b'a=1'), (b'set-cookie', b'b=2')]
    """
    lines: list[tuple[bytes, bytes]] = []
    checked = True
    for name, value in headers.items():
        key = _BYTES.get(name)
        if key is None:
            checked, key = False, _format_name(name)
        if isinstance(value, str):
            lines.append((key, _format_value(name, value)))
        else:
            lines += [(key, _format_value(name, line)) for line in _members(name, value)]
    if not checked:
        _check_spellings(headers)
    return lines


def _format_name(name: object) -> bytes:
    if not isinstance(name, str):
        raise TypeError(f"a header's name must be a str, got {type(name).__name__}; write it as text, like 'content-type'")
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"a header's name must be letters, digits and !#$%&'*+-.^_`|~, got {name[:40]!r}; take out the other characters")
    return name.lower().encode()


def _members(name: str, value: object) -> Sequence[object]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"header {name!r}: expected a str or a list of str, got {type(value).__name__}; write str(...) around it")
    return cast("Sequence[object]", value)


def _format_value(name: str, value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"header {name!r}: expected a list of str, got a member of type {type(value).__name__}; write str(...) around it")
    if not value.isprintable() and (control := _CONTROL.search(value)):
        raise ValueError(f"header {name!r}: the value holds the control character {control[0]!r} at {control.start()}; quote or remove it (RFC 9110 5.5)")
    try:
        return value.strip(" \t").encode("latin-1")
    except UnicodeEncodeError as error:
        raise ValueError(f"header {name!r}: the character at {error.start} is outside latin-1; percent-encode the value, e.g. urllib.parse.quote") from None


def _check_spellings(headers: Mapping[str, object]) -> None:
    spelt: dict[str, str] = {}
    for name in headers:
        other = spelt.setdefault(name.lower(), name)
        if other != name:
            raise ValueError(f"headers {other!r} and {name!r} are one name in two spellings; keep one, with a list where both values shall be sent")


def find_header(headers: Mapping[str, str | list[str]], name: str) -> str | list[str] | None:
    """The value under ``name`` (given in lower case) in any spelling, or ``None``.

    >>> find_header({"Content-Type": "text/html"}, "content-type")
    'text/html'
    """
    if name in headers:
        return headers[name]
    for key, value in headers.items():
        if len(key) == len(name) and key.lower() == name:
            return value
    return None


def with_header(headers: Mapping[str, str | list[str]], name: str, value: str | list[str]) -> dict[str, str | list[str]]:
    """A copy with ``value`` under ``name`` (given in lower case), in place of any other spelling of it.

    >>> with_header({"Vary": "a"}, "vary", "b")
    {'vary': 'b'}
    """
    length = len(name)
    for key in headers:
        if len(key) == length and key != name and key.lower() == name:
            return {**{key: other for key, other in headers.items() if key.lower() != name}, name: value}
    return {**headers, name: value}


def with_vary(headers: Mapping[str, str | list[str]], *names: str) -> dict[str, str | list[str]]:
    """A copy whose ``vary`` names ``names`` (given in lower case), or is ``*`` (RFC 9110 12.5.5).

    >>> with_vary({"vary": "accept"}, "origin")
    {'vary': 'accept, origin'}
    """
    given = find_header(headers, "vary")
    if not given:
        return with_header(headers, "vary", ", ".join(names)) if names else dict(headers)
    members = [member.strip() for line in ([given] if isinstance(given, str) else given) for member in line.split(",") if member.strip()]
    known = {member.lower() for member in members}
    missing = [name for name in names if name not in known]
    return with_header(headers, "vary", ", ".join([*members, *missing])) if missing and "*" not in known else dict(headers)


def parse_media_type(text: str) -> tuple[str, dict[str, str]]:
    """``content-type``'s value as ``(type, parameters)`` (RFC 9110 8.3.1), type and parameter names in lower case; ``("", {})`` for what is none.

    The first of two parameters of one name wins. Linear in the text.

        >>> parse_media_type('Text/HTML; Charset="utf-8"')
        ('text/html', {'charset': 'utf-8'})
        >>> parse_media_type("text/plain, application/json")
        ('', {})
    """
    found = _MEDIA_TYPE.match(text)
    if not found:
        return "", {}
    return found[1].lower(), parse_parameters(text[found.end() :]) if found.end() < len(text) else {}


def parse_parameters(text: str) -> dict[str, str]:
    """``a=b; c="d"`` as a dict (RFC 9110 5.6.6), names in lower case, the first of one name; parts without a name or ``=`` are left out. Linear.

    >>> parse_parameters('charset=utf-8; title="a;b"')
    {'charset': 'utf-8', 'title': 'a;b'}
    """
    parameters: dict[str, str] = {}
    for found in _PARAMETER.finditer(text):
        name, quoted, plain = found["name"].lower(), found["quoted"], found["plain"]
        if name and quoted is not None:
            parameters.setdefault(name, _ESCAPED.sub(r"\1", quoted))
        elif name and plain is not None:
            parameters.setdefault(name, plain.rstrip(" \t"))
    return parameters
