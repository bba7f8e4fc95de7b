"""``content-type``: a media type in lower case or nothing, parameters with names; asking of a request what it holds raises nothing."""

from __future__ import annotations

from shallot.codec.headers import parse_media_type
from shallot.codec.mime import guess_type
from shallot.request import charset, is_json, media_type

SEEDS = [b"application/json", b'Text/HTML; Charset="utf-8"; charset=x', b"multipart/form-data; boundary=x", b"application/problem+json;a=b", b"text/plain, a/b"]


def fuzz(data: bytes) -> None:
    text = data.decode("latin-1")
    kind, parameters = parse_media_type(text)
    request = {"headers": {"content-type": text}}
    assert media_type(request) == kind
    assert kind == "" or (kind.count("/") == 1 and kind == kind.lower() and not set(' ;,"\r\n') & set(kind))
    assert kind or not parameters
    assert charset(request) == parameters.get("charset", "utf-8").lower()
    assert is_json(request) == (kind == "application/json" or kind.endswith("+json"))
    guess_type(text)
