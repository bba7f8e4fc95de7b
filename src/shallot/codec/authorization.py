"""The ``authorization`` header's value and the challenges of ``www-authenticate`` (RFC 9110 11, RFC 7617, RFC 6750). Pure; checks nobody's password."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest

__all__ = ["format_challenge", "is_ambient", "is_same_secret", "parse_authorization", "parse_basic", "parse_bearer"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_IN_QUOTES = re.compile(r"[\t !-~]*")


def parse_authorization(text: str) -> tuple[str, str]:
    """The scheme in lower case, and what follows it; ``("", "")`` for what is none.

    >>> parse_authorization("Bearer abc"), parse_authorization("Negotiate"), parse_authorization("")
    (('bearer', 'abc'), ('negotiate', ''), ('', ''))
    """
    scheme, _, credentials = text.strip(" \t").partition(" ")
    return (scheme.lower(), credentials.lstrip(" ")) if _TOKEN.fullmatch(scheme) else ("", "")


def is_ambient(headers: Mapping[str, str]) -> bool:
    """Whether a request carries what a browser sends by itself, whoever's page asks: cookies, or the password that its user gave to a dialog.

    >>> [is_ambient(headers) for headers in ({"cookie": "a=1"}, {"authorization": "Basic YTpi"}, {"authorization": "Bearer t"}, {})]
    [True, True, False, False]
    """
    return "cookie" in headers or parse_authorization(headers.get("authorization", ""))[0] not in ("", "bearer")


def parse_basic(text: str) -> tuple[str, str] | None:
    """The user and the password of ``Basic`` credentials (RFC 7617), or ``None`` where ``text`` holds none: another scheme, no base64, no UTF-8, controls.

    >>> parse_basic("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    ('Aladdin', 'open sesame')
    """
    scheme, credentials = parse_authorization(text)
    if scheme != "basic" or not _TOKEN68.fullmatch(credentials):
        return None
    try:
        decoded = b64decode(credentials, validate=True).decode()
    except ValueError:  # of base64 (binascii.Error) as well as of UTF-8
        return None
    user, colon, password = decoded.partition(":")
    return (user, password) if colon and not _CONTROL.search(decoded) else None


def parse_bearer(text: str) -> str | None:
    """The token of ``Bearer`` credentials (RFC 6750 2.1), or ``None``.

    >>> parse_bearer("Bearer mF_9.B5f-4.1JqM"), parse_bearer("Basic QQ=="), parse_bearer("Bearer a b")
    ('mF_9.B5f-4.1JqM', None, None)
    """
    scheme, token = parse_authorization(text)
    return token if scheme == "bearer" and _TOKEN68.fullmatch(token) else None


def format_challenge(scheme: str, **parameters: str) -> str:
    """A challenge for ``www-authenticate`` (RFC 9110 11.6.1). ``ValueError`` for a value that no quoted string can hold.

    >>> format_challenge("Basic", realm='the "shop"', charset="UTF-8")
    'Basic realm="the \\\\"shop\\\\"", charset="UTF-8"'
    """
    for name, value in parameters.items():
        if not _IN_QUOTES.fullmatch(value):
            raise ValueError(f"{name} must be printable ASCII, not {value!r}")
    quoted = [f'{name}="{value.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"' for name, value in parameters.items()]
    return f"{scheme} {', '.join(quoted)}" if quoted else scheme


def is_same_secret(given: str | bytes, expected: str | bytes) -> bool:
    """Whether two secrets are the same, in a time that tells nothing about ``expected``, neither its characters nor its length.

    >>> is_same_secret("käse", "käse".encode()), is_same_secret("brie", "käse")
    (True, False)
    """
    return compare_digest(_digest(given), _digest(expected))


def _digest(secret: str | bytes) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret).digest()
