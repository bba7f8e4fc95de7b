from __future__ import annotations

import mimetypes
from typing import Any

import pytest

from shallot.compose import apply_middleware
from shallot.middlewares.content_type import content_type_response, wrap_content_type
from shallot.response import text


async def type_of(path: str, response: Any, **options: Any) -> Any:
    async def handler(request: Any) -> Any:
        return response

    answer = await apply_middleware(wrap_content_type(**options))(handler)({"path": path})
    return answer.get("headers", {}).get("content-type")


@pytest.mark.parametrize(
    ("path", "response", "expected"),
    [
        ("/favicon.ico", {"status": 200, "body": b"x"}, "image/vnd.microsoft.icon"),
        ("/a.html", {"status": 200, "body": b"x"}, "text/html"),
        ("some/path/t.txt", {"status": 200}, "text/plain"),
        ("/a.css", {"status": 200, "stream": ...}, "text/css"),
        ("/a.css", {"status": 404, "body": b"x"}, "text/css"),
        ("/a.css", {"status": 403}, "text/css"),
        ("some/path/t/no/extension", {}, "application/octet-stream"),
        ("/a.unknown", {"status": 200}, "application/octet-stream"),
        ("/a.css", {"status": 200, "headers": {}}, "text/css"),
        ("/a.css", {"status": 200, "headers": None}, "text/css"),
        ("/a.css", {"status": 200, "headers": {"content-type": ""}}, "text/css"),
        ("/a.css", {"status": 200, "headers": {"content-type": "none/such"}}, "none/such"),
        ("/a.css", {"status": 101, "websocket": {}}, None),
        ("/a.css", {"status": 204}, None),
        ("/a.css", {"status": 205}, None),
        ("/a.css", {"status": 304, "headers": {"etag": '"1"'}}, None),
    ],
)
async def test_wrap_content_type(path: str, response: Any, expected: str | None) -> None:
    assert await type_of(path, response) == expected


@pytest.mark.parametrize(
    "response",
    [
        {"status": 200, "headers": {"content-type": "a/b"}},
        {"status": 200, "headers": {"Content-Type": "a/b"}},
        {"status": 200, "headers": {"CONTENT-TYPE": ["a/b"]}},
        {"status": 101, "headers": {}},
        {"status": 304},
    ],
    ids=repr,
)
def test_what_needs_nothing_is_the_same_response(response: Any) -> None:
    assert content_type_response(response, {"path": "/x.css"}) is response


def test_a_response_is_never_changed_in_place() -> None:
    response: Any = {"status": 200, "body": b"", "headers": {"Content-Type": "", "a": "b"}}
    assert content_type_response(response, {"path": "/x.css"}) == {"status": 200, "body": b"", "headers": {"a": "b", "content-type": "text/css"}}
    assert response == {"status": 200, "body": b"", "headers": {"Content-Type": "", "a": "b"}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/t.apple", "application/fruit"), ("/t.orange", "application/fruit"), ("/t.PEAR", "application/fruit"), ("/t.css", "my/style"), ("/t.html", "text/html")],
)
async def test_additional_types(path: str, expected: str) -> None:
    additional = {"application/fruit": [".apple", "orange", "..Pear"], "my/style": ["css"]}
    assert await type_of(path, {"status": 200}, additional_content_types=additional) == expected


async def test_types_belong_to_one_app() -> None:
    before = mimetypes.guess_type("a.apple")
    assert await type_of("/a.apple", {"status": 200}, additional_content_types={"application/fruit": ["apple"]}) == "application/fruit"
    assert await type_of("/a.apple", {"status": 200}) == "application/octet-stream"
    assert mimetypes.guess_type("a.apple") == before


async def test_the_default_can_be_another() -> None:
    assert await type_of("/a", {"status": 200}, default_content_type="a/b") == "a/b"


async def test_strict_leaves_out_what_was_never_registered() -> None:
    assert await type_of("/a.webp", {"status": 200}, strict=True) == "image/webp"
    assert await type_of("/a.xul", {"status": 200}, strict=False) == "text/xul"
    assert await type_of("/a.xul", {"status": 200}, strict=True) == "application/octet-stream"


async def test_the_earlier_order_of_options() -> None:
    async def handler(request: Any) -> Any:
        return {"status": 200}

    app = apply_middleware(wrap_content_type({"a/b": ["ab"]}, "c/d", False))(handler)
    assert [(await app({"path": path}))["headers"]["content-type"] for path in ("/x.ab", "/x")] == ["a/b", "c/d"]


def test_a_bare_extension_is_refused_when_it_is_built() -> None:
    with pytest.raises(TypeError, match="must be a list of str"):
        wrap_content_type({"a/b": "css"})


def test_is_a_marked_factory() -> None:
    assert getattr(wrap_content_type(), "spec") == {  # noqa: B009
        "name": "wrap_content_type",
        "options": {"additional_content_types": None, "default_content_type": "application/octet-stream", "strict": False, "charset": None},
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a.css", "text/css; charset=utf-8"),
        ("/a.xul", "text/xul; charset=utf-8"),
        ("/a.own", "text/own; charset=latin-1"),
        ("/a.png", "image/png"),
        ("/a.json", "application/json"),
        ("/a", "application/octet-stream"),
    ],
)
async def test_a_charset_is_said_with_text(path: str, expected: str) -> None:
    additional = {"text/own; charset=latin-1": ["own"]}
    assert await type_of(path, {"status": 200}, charset="utf-8", additional_content_types=additional) == expected


@pytest.mark.parametrize("options", [{"charset": "utf-8\r\nx: y"}, {"default_content_type": "a\nb"}, {"additional_content_types": {"a\0b": ["x"]}}], ids=repr)
def test_a_type_that_no_header_can_say_is_refused_when_it_is_built(options: Any) -> None:
    with pytest.raises(ValueError, match="header 'content-type': the value holds the control character"):
        wrap_content_type(**options)


@pytest.mark.parametrize(
    ("response", "path", "expected"),
    [
        ({"status": 200, "body": b"x"}, "/", "application/octet-stream"),
        ({"status": 200, "body": b"<script>"}, "/x.unknown", "application/octet-stream"),
        ({"status": 200, "body": b"x"}, "/x.html.jpg", "image/jpeg"),
        ({"status": 200, "stream": ...}, "/x", "application/octet-stream"),
        ({"status": 200, "file": "a.html"}, "/x", "application/octet-stream"),
        (text("x"), "/x.html", "text/plain; charset=utf-8"),
        ({"status": 404}, "/.html", "application/octet-stream"),
        ({"status": 500, "body": b"x"}, "/x.", "application/octet-stream"),
    ],
)
async def test_F11_each_kind_of_body_has_a_type(response: Any, path: str, expected: str) -> None:
    assert await type_of(path, response) == expected
