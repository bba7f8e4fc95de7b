"""``authorization``: never an error, and no control character in what it says."""

from __future__ import annotations

from base64 import b64encode

from shallot.codec.authorization import parse_authorization, parse_basic, parse_bearer


def fuzz(data: bytes) -> None:
    text = data.decode("latin-1")
    scheme, _ = parse_authorization(text)
    assert scheme == scheme.lower()
    token = parse_bearer(text)
    assert token is None or (token.isascii() and token.isprintable() and " " not in token)
    parse_basic(text)
    found = parse_basic("Basic " + b64encode(data).decode())
    if found is not None:
        assert f"{found[0]}:{found[1]}".encode() == data
        assert ":" not in found[0]
