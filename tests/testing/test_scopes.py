from __future__ import annotations

import pytest

from shallot.testing import http_scope, websocket_scope
from shallot.testing.scopes import encode_headers, format_cookies, format_params, split_target, with_query


def test_an_http_scope_has_the_keys_that_asgi_names() -> None:
    assert http_scope("post", "/a%20b?c=d") == {
        "type": "http",
        "method": "POST",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 50000),
        "root_path": "",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=d",
        "headers": [(b"host", b"localhost")],
    }


def test_a_websocket_scope_has_the_headers_of_a_handshake_and_no_method() -> None:
    scope = websocket_scope("/chat", subprotocols=["v1", "v2"])
    assert (scope["type"], scope["scheme"], scope["subprotocols"], "method" in scope) == ("websocket", "ws", ["v1", "v2"], False)
    assert scope["headers"] == [
        (b"host", b"localhost"),
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"sec-websocket-protocol", b"v1, v2"),
    ]


def test_without_subprotocols_none_are_offered() -> None:
    scope = websocket_scope("/")
    assert scope["subprotocols"] == []
    assert b"sec-websocket-protocol" not in dict(scope["headers"])


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_the_port_follows_the_scheme(scheme: str, port: int) -> None:
    assert http_scope("GET", "/", scheme=scheme)["server"] == ("127.0.0.1", port)


def test_keys_take_the_place_of_defaults() -> None:
    assert http_scope("GET", "/", client=None, state={"a": 1})["client"] is None
    assert websocket_scope("/", http_version="2")["http_version"] == "2"


def test_two_scopes_share_nothing() -> None:
    first = http_scope("GET", "/")
    first["asgi"]["version"] = "2.0"
    assert http_scope("GET", "/")["asgi"]["version"] == "3.0"


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        (None, [(b"host", b"localhost")]),
        ({"Host": "example.org"}, [(b"host", b"example.org")]),
        ({"host": None}, []),
        ({"Accept": ["a", "b"]}, [(b"host", b"localhost"), (b"accept", b"a"), (b"accept", b"b")]),
        ({"x": "\xe9"}, [(b"host", b"localhost"), (b"x", b"\xe9")]),
    ],
    ids=["default", "other host", "no host", "twice", "latin-1"],
)
def test_headers(headers: dict[str, str | list[str] | None] | None, sent: list[tuple[bytes, bytes]]) -> None:
    assert http_scope("GET", "/", headers=headers)["headers"] == sent


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("/", ("/", b"/", b"")),
        ("/a?b", ("/a", b"/a", b"b")),
        ("/a?b?c", ("/a", b"/a", b"b?c")),
        ("/%2F%C3%A9", ("//é", b"/%2F%C3%A9", b"")),
        ("/é?q=é", ("/é", b"/%C3%A9", b"q=%C3%A9")),
        ("/a b", ("/a b", b"/a%20b", b"")),
        ("/%ff", ("/\ufffd", b"/%ff", b"")),
        ("", ("", b"", b"")),
    ],
    ids=["root", "query", "two question marks", "escapes", "not ASCII", "space", "not UTF-8", "empty"],
)
def test_split_target(target: str, parts: tuple[str, bytes, bytes]) -> None:
    assert split_target(target) == parts


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/a", None, "/a"),
        ("/a", {}, "/a"),
        ("/a", {"b": 1}, "/a?b=1"),
        ("/a?c=d", {"b": [1, 2]}, "/a?c=d&b=1&b=2"),
        ("/a", [("b", "x y"), ("b", "&")], "/a?b=x+y&b=%26"),
    ],
)
def test_with_query(path: str, query: dict[str, object] | None, expected: str) -> None:
    assert with_query(path, query) == expected


def test_format_params_writes_pairs_in_order() -> None:
    assert format_params([("b", 1), ("a", 2), ("b", 3)]) == "b=1&a=2&b=3"


def test_a_cookie_holds_what_it_can_and_escapes_the_rest() -> None:
    assert format_cookies({"a": "b/c=+", "d": 'x;y, "é" 50%'}) == "a=b/c=+; d=x%3By%2C%20%22%C3%A9%22%2050%"


def test_nothing_in_a_header_is_checked() -> None:
    assert encode_headers({"Bad Name": "a\r\nb"}) == [(b"Bad Name", b"a\r\nb")]
