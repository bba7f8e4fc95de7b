from __future__ import annotations

from typing import Any

import pytest

from shallot.request import charset, client_host, is_json, is_websocket, media_type, url


def of_type(content_type: str | None) -> dict[str, Any]:
    return {"headers": {} if content_type is None else {"content-type": content_type}}


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (None, ("", "utf-8", False)),
        ("", ("", "utf-8", False)),
        ("application/json", ("application/json", "utf-8", True)),
        ("Application/JSON; Charset=UTF-16", ("application/json", "utf-16", True)),
        ("application/ld+json", ("application/ld+json", "utf-8", True)),
        ("text/plain", ("text/plain", "utf-8", False)),
        ("application/json-seq", ("application/json-seq", "utf-8", False)),
        ("text/plain, application/json", ("", "utf-8", False)),
        ('text/plain; a=";charset=x"; charset="Latin-1"', ("text/plain", "latin-1", False)),
    ],
)
def test_what_the_content_type_tells(content_type: str | None, expected: tuple[str, str, bool]) -> None:
    request = of_type(content_type)
    assert (media_type(request), charset(request), is_json(request)) == expected


def test_charset_has_a_default() -> None:
    assert charset(of_type("text/plain"), "ascii") == "ascii"


def test_a_request_without_headers() -> None:
    assert (media_type({}), is_json({})) == ("", False)


@pytest.mark.parametrize(("request_", "expected"), [({"type": "websocket"}, True), ({"type": "http"}, False), ({}, False)])
def test_is_websocket(request_: dict[str, Any], expected: bool) -> None:
    assert is_websocket(request_) is expected


@pytest.mark.parametrize(
    ("request_", "expected"), [({"client": ("10.0.0.1", 5)}, "10.0.0.1"), ({"client": ["::1", 5]}, "::1"), ({"client": None}, None), ({}, None)]
)
def test_client_host(request_: dict[str, Any], expected: str | None) -> None:
    assert client_host(request_) == expected


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"path": "/"}, "http://localhost/"),
        ({"path": "/a", "scheme": "wss", "headers": {"host": "example.com:8000"}}, "wss://example.com:8000/a"),
        ({"path": "/a", "server": ("127.0.0.1", 8000)}, "http://127.0.0.1:8000/a"),
        ({"path": "/a", "server": ("::1", 80)}, "http://[::1]:80/a"),
        ({"path": "/a", "server": ("/run/app.sock", None)}, "http:///run/app.sock/a"),
        ({"path": "/a b/käse?#%", "query_string": b"q=%20&r=1"}, "http://localhost/a%20b/k%C3%A4se%3F%23%25?q=%20&r=1"),
    ],
)
def test_url(request_: dict[str, Any], expected: str) -> None:
    assert url(request_) == expected
