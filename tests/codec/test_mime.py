from __future__ import annotations

import pytest

from shallot.codec.mime import TYPES, guess_type, parse_extensions


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/favicon.ico", "image/vnd.microsoft.icon"),
        ("/index.html", "text/html"),
        ("/index.htm", "text/html"),
        ("some/path/t.txt", "text/plain"),
        ("/site.css", "text/css"),
        ("/app.js", "text/javascript"),
        ("/app.mjs", "text/javascript"),
        ("/app.js.map", "application/json"),
        ("/app.wasm", "application/wasm"),
        ("/site.webmanifest", "application/manifest+json"),
        ("/data.json", "application/json"),
        ("/feed.xml", "text/xml"),
        ("/table.csv", "text/csv"),
        ("/README.md", "text/markdown"),
        ("/a.svg", "image/svg+xml"),
        ("/a.png", "image/png"),
        ("/a.jpg", "image/jpeg"),
        ("/a.jpeg", "image/jpeg"),
        ("/a.gif", "image/gif"),
        ("/a.webp", "image/webp"),
        ("/a.avif", "image/avif"),
        ("/a.woff", "font/woff"),
        ("/a.woff2", "font/woff2"),
        ("/a.ttf", "font/ttf"),
        ("/a.otf", "font/otf"),
        ("/a.pdf", "application/pdf"),
        ("/a.mp4", "video/mp4"),
        ("/a.webm", "video/webm"),
        ("/a.mp3", "audio/mpeg"),
        ("/a.ogg", "audio/ogg"),
        ("/a.wav", "audio/x-wav"),
        ("/a.zip", "application/zip"),
        ("/a.gz", "application/gzip"),
        ("/a.tar", "application/x-tar"),
        ("/a.tar.gz", "application/gzip"),
        ("/A.PNG", "image/png"),
        ("x.html.jpg", "image/jpeg"),
        ("x.jpg.exe", None),
        ("/a.html/b", None),
        ("/plain", None),
        ("/.css", None),
        ("/..css", None),
        ("/.hidden.css", "text/css"),
        ("/ends.", None),
        ("/", None),
        ("", None),
    ],
)
def test_guess_type(path: str, expected: str | None) -> None:
    assert guess_type(path) == expected


def test_the_last_two_extensions_are_asked_first() -> None:
    types = {"tar.gz": "x/both", "gz": "x/last"}
    assert [guess_type(path, types) for path in ("a.tar.gz", "a.b.gz", "a.gz", "a.x.tar.gz")] == ["x/both", "x/last", "x/last", "x/both"]


def test_the_table_is_spelled_as_it_is_asked() -> None:
    assert [extension for extension in TYPES if extension != extension.lower().strip(". ")] == []
    assert [media_type for media_type in TYPES.values() if media_type.count("/") != 1 or media_type != media_type.lower()] == []


def test_parse_extensions() -> None:
    table = parse_extensions({"application/fruit": [".apple", "orange", "Pear"], "text/x-y": (".tar.y",)})
    assert table == {"apple": "application/fruit", "orange": "application/fruit", "pear": "application/fruit", "tar.y": "text/x-y"}


def test_parse_extensions_refuses_a_bare_str() -> None:
    with pytest.raises(TypeError, match=r"extensions of 'a/b' must be a list of str, not the str 'css'; write \['css'\]"):
        parse_extensions({"a/b": "css"})
