"""``cookie``: never an error, no empty name, no value that a neighbour's quotes could swallow; any value that we write is read again."""

from __future__ import annotations

from shallot.codec.cookies import format_cookie, parse_cookies


def fuzz(data: bytes) -> None:
    text = data.decode("latin-1")
    cookies = parse_cookies(text)
    assert "" not in cookies
    assert all("=" not in name and ";" not in name for name in cookies)
    assert parse_cookies(f"first=1; {text}; last-of-all=2") == {"first": "1", **{n: v for n, v in cookies.items() if n != "first"}, "last-of-all": "2"} | (
        {"last-of-all": cookies["last-of-all"]} if "last-of-all" in cookies else {}
    )
    if len(text) < 1000:
        line = format_cookie("a", {"value": text})
        assert line.isprintable() and ";" not in line
        assert parse_cookies(line) == {"a": text}
