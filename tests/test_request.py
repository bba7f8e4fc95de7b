from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from shallot.errors import BadRequest, UnsupportedMedia
from shallot.request import charset, check_not_encoded, client_host, is_json, is_websocket, media_type, param, params, url


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


@pytest.mark.parametrize("headers", [{}, {"content-encoding": ""}, {"content-encoding": " Identity "}], ids=["none", "empty", "identity"])
def test_a_body_as_it_is(headers: Any) -> None:
    check_not_encoded({"headers": headers})


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "identity, gzip", "x"])
def test_E12_a_compressed_body(coding: str) -> None:
    with pytest.raises(UnsupportedMedia, match="^a body with a content-encoding$"):
        check_not_encoded({"headers": {"content-encoding": coding}})


def given(*values: str) -> Any:
    return {"params": {"x": list(values)}}


ID = "12345678-9abc-def0-1234-56789ABCDEF0"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (str, "", ""),
        (str, "a b", "a b"),
        (int, "0", 0),
        (int, "-007", -7),
        (int, "+9999999999999999999", 9999999999999999999),
        (float, "1", 1.0),
        (float, "-.5e-3", -0.0005),
        (float, "2.", 2.0),
        (bool, "true", True),
        (bool, "ON", True),
        (bool, "no", False),
        (bool, "0", False),
        (UUID, ID, UUID(ID)),
        (date, "2026-02-28", date(2026, 2, 28)),
    ],
)
def test_a_parameter(kind: Any, text: str, value: Any) -> None:
    found = param(given(text), "x", kind)
    assert (type(found), found) == (kind, value)
    assert params(given(text, text), "x", kind) == [value, value]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        *((int, text, "a whole number") for text in ("", " 1", "1_0", "1.0", "0x1", "\u0661", "1" * 20, "--1", "1\n")),
        *((float, text, "a number") for text in ("", "nan", "inf", "-Infinity", "1_0.0", ".", "1e999", "1e", "\u0661", "1" * 20)),
        *((bool, text, "true or false") for text in ("", "2", "maybe", "\u0661")),
        *((UUID, text, "a UUID") for text in ("", ID[:-1], ID.replace("-", ""), "{" + ID + "}", "urn:uuid:" + ID, ID.replace("a", "g"))),
        *((date, text, "a date like 2026-12-31") for text in ("", "2026-02-29", "20260228", "2026-W01-1", "2026-2-8", "0000-01-01", "2026-02-28T00:00")),
    ],
)
def test_what_cannot_be_read_is_the_peers_fault(kind: Any, text: str, expected: str) -> None:
    with pytest.raises(BadRequest) as caught:
        param(given(text), "x", kind)
    assert str(caught.value) == f"parameter 'x': expected {expected}"
    with pytest.raises(BadRequest):
        params(given(text), "x", kind)


def test_missing_and_repeated() -> None:
    assert param(given(), "x", int, default=3) == 3
    assert param(given(), "y", int, default=None) is None
    assert param(given("1"), "x", int, default=3) == 1
    assert params(given(), "y", int) == []
    with pytest.raises(BadRequest, match="^parameter 'x': missing$"):
        param(given(), "x", int)
    with pytest.raises(BadRequest, match="^parameter 'x': comes more than once$"):
        param(given("1", "2"), "x", int, default=3)


@pytest.mark.parametrize(
    ("text", "error"),
    [("0", "expected at least 1"), ("1", None), ("100", None), ("101", "expected at most 100")],
)
def test_bounds(text: str, error: str | None) -> None:
    if error is None:
        assert param(given(text), "x", int, at_least=1, at_most=100) == int(text)
    else:
        with pytest.raises(BadRequest, match=f"^parameter 'x': {error}$"):
            param(given(text), "x", int, at_least=1, at_most=100)


def test_where_it_stands() -> None:
    request = {"params": {"x": ["1"]}, "query_params": {"x": ["2"]}}
    assert (param(request, "x", int), param(request, "x", int, among="query_params")) == (1, 2)
    with pytest.raises(TypeError, match="^param: request has no 'form_params'; put wrap_parameters outside it$"):
        param(request, "x", int, among="form_params")
    with pytest.raises(TypeError, match="^param: kind must be one of str, int, float, bool, UUID, date, not <class 'complex'>; read the others from a str$"):
        param(request, "x", complex)
