"""Cookie and Set-Cookie (RFC 6265bis) <-> dicts. Values of any text: percent-encoded on the way out, decoded on the way in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from .dates import format_date

__all__ = ["format_cookie", "parse_cookies"]

MAX_COOKIE_BYTES = 4096
"""Name and value together; browsers drop larger ones (RFC 6265bis 5.6)."""

MAX_AGE_S = 400 * 24 * 60 * 60
"""400 days: no browser keeps one longer (RFC 6265bis 5.5)."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_ATTRIBUTE = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
_ESCAPE = re.compile(r"\\([0-3][0-7][0-7]|.)", re.DOTALL)
_DELETED = {"value": "", "expires": 0, "max-age": 0}


def parse_cookies(header: str) -> dict[str, str]:
    """The ``cookie`` header as a dict. Never raises, linear: pairs without a name or ``=`` are left out, the first of one name wins.

    A ``;`` always ends a pair, inside quotes too, so that no value can hide its neighbours. Quotes around a value are
    taken off with their escapes, percent-encoded UTF-8 is decoded.

        >>> parse_cookies('a=1; junk; b="two"; a=3; c=%C3%A9')
        {'a': '1', 'b': 'two', 'c': 'é'}
    """
    cookies: dict[str, str] = {}
    for pair in header.split(";"):
        name, equals, value = pair.partition("=")
        name = name.strip(" \t")
        if equals and name and name not in cookies:
            value = value.strip(" \t")
            cookies[name] = _parse_value(value) if '"' in value or "%" in value else value
    return cookies


def _parse_value(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
        if "\\" in value:
            value = _ESCAPE.sub(lambda found: found[1] if len(found[1]) == 1 else chr(int(found[1], 8)), value)
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value


def format_cookie(name: str, attributes: Mapping[str, Any] | None) -> str:
    """The value of one ``set-cookie`` header. ``None`` for ``attributes`` deletes the cookie.

    value        required  anything, ``str()``ed and percent-encoded
    expires      -         seconds since 1970, or a date as text
    max-age      -         int, seconds; more than 400 days are sent as 400 days, which is what browsers make of them
    path, domain, comment, version  -  text
    samesite     -         "strict", "lax" or "none" (which needs ``secure``)
    secure, httponly, partitioned   False  flags (``partitioned`` needs ``secure``)

    Keys without regard to case; ``None``, ``False`` and ``""`` leave an attribute out, and so does 0 for a flag. ``ValueError`` or ``TypeError`` for what could
    smuggle in another attribute or header, breaks the rules of the ``__Host-`` and ``__Secure-`` prefixes, or is larger than 4096 bytes.

        >>> format_cookie("seen", {"value": "a;b", "path": "/", "httponly": True})
        'seen=a%3Bb; Path=/; HttpOnly'
        >>> format_cookie("seen", None)
        'seen=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0'
    """
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"a cookie's name must be letters, digits and !#$%&'*+-.^_`|~, got {name[:40]!r}; take out the other characters")
    if attributes is not None and not isinstance(attributes, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # what a handler wrote
        raise TypeError(f'cookie {name!r}: expected a dict like {{"value": ...}}, or None to delete the cookie, got {type(attributes).__name__}')
    prefix = name[: name.find("-") + 1].lower()
    given = _deletion(prefix) if attributes is None else {key.lower(): value for key, value in attributes.items()}
    if "value" not in given:
        raise ValueError(f'cookie {name!r}: no "value"; write {{"value": ...}}, or None in place of the dict to delete the cookie')
    value = quote(str(given.pop("value")))
    if len(name) + len(value) > MAX_COOKIE_BYTES:
        raise ValueError(f"cookie {name!r}: name and value are {len(name) + len(value)} bytes, browsers keep {MAX_COOKIE_BYTES}; store less in it")
    wanted = {key: attribute for key, attribute in given.items() if attribute or (key in _NUMBERS and type(attribute) in (int, float))}
    unknown = given.keys() - _WRITERS.keys()
    if unknown:
        raise ValueError(f"cookie {name!r}: no attribute is named {min(unknown)!r}; there are value, {', '.join(_WRITERS)}")
    _check_rules(name, prefix, wanted)
    return "; ".join([f"{name}={value}", *(write(name, wanted[key]) for key, write in _WRITERS.items() if key in wanted)])


def _deletion(prefix: str) -> dict[str, Any]:
    """A browser takes the deletion of a cookie with a prefix only where it keeps the prefix's rules."""
    return {**_DELETED, **({"secure": True} if prefix in _PREFIXES else {}), **({"path": "/"} if prefix == "__host-" else {})}


_PREFIXES = ("__host-", "__secure-")
_NUMBERS = ("expires", "max-age", "version")


def _check_rules(name: str, prefix: str, wanted: Mapping[str, Any]) -> None:
    secure, same_site = wanted.get("secure"), str(wanted.get("samesite", "")).lower()
    rules = (
        (prefix in _PREFIXES and not secure, 'the prefix of its name needs "secure": True'),
        (prefix == "__host-" and wanted.get("path") != "/", '__Host- needs "path": "/"'),
        (prefix == "__host-" and "domain" in wanted, "__Host- forbids a domain"),
        (same_site == "none" and not secure, '"samesite": "none" needs "secure": True'),
        ("partitioned" in wanted and not secure, '"partitioned" needs "secure": True'),
    )
    for broken, rule in rules:
        if broken:
            raise ValueError(f"cookie {name!r}: {rule}; browsers drop it otherwise (RFC 6265bis)")


def _text(label: str) -> Callable[[str, Any], str]:
    def write(name: str, value: Any) -> str:
        text = str(value)
        if not _ATTRIBUTE.fullmatch(text):
            raise ValueError(f"cookie {name!r}: {label} may hold ASCII without ; and control characters only; quote or remove the others")
        return f"{label}={text}"

    return write


def _flag(label: str) -> Callable[[str, Any], str]:
    return lambda name, value: label


def _expires(name: str, value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"Expires={format_date(value)}"
    if isinstance(value, str):
        return _text("Expires")(name, value)
    raise TypeError(f"cookie {name!r}: expires must be seconds since 1970 or a date as text, got {type(value).__name__}")


def _max_age(name: str, value: Any) -> str:
    if not re.fullmatch(r"-?[0-9]{1,19}", str(value)):
        raise TypeError(f"cookie {name!r}: max-age must be an int, in seconds, got {type(value).__name__}")
    return f"Max-Age={min(int(value), MAX_AGE_S)}"


def _same_site(name: str, value: Any) -> str:
    if str(value).lower() not in ("strict", "lax", "none"):
        raise ValueError(f'cookie {name!r}: samesite must be "strict", "lax" or "none"')
    return f"SameSite={str(value).capitalize()}"


_WRITERS: Mapping[str, Callable[[str, Any], str]] = {
    "expires": _expires,
    "max-age": _max_age,
    "path": _text("Path"),
    "domain": _text("Domain"),
    "comment": _text("Comment"),
    "version": _text("Version"),
    "secure": _flag("Secure"),
    "httponly": _flag("HttpOnly"),
    "samesite": _same_site,
    "partitioned": _flag("Partitioned"),
}
