from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.filenames import parse_file_path

HOSTILE = [
    # traversal
    *("..", "../x", "x/..", "x/../y", "a/../../b", "..\\x", "a\\..\\b", "....//x", "..;/x", "/..;/x", ".../x", "a/./b", "./a", ".", "%2e%2e/..", "..%2f../x"),
    # nothing, and nothing in between
    *("", "/", "a/", "a//b", "//a", "/etc/passwd"),
    # drives, shares, streams, devices
    *("C:", "C:/x", "c:x", "a.txt:stream", "a.txt::$DATA", "\\\\host\\share", "\\x", "//host/share", "\\\\?\\C:\\x"),
    *("con", "CON", "nul", "nul.txt", "NUL.tar.gz", "aux.css", "prn", "com1", "COM9.js"),
    *("COM¹", "LPT³.txt", "lpt0", "conin$", "CONOUT$.x", "nul ", "nul .txt", "a/con/b"),
    # ends that Windows cuts off
    *("a.", "a ", "a...", "a. .", "a./b"),
    # hidden
    *(".env", ".git/config", "a/.x/y", "a/.htaccess", "a/.well-known", ".git/.well-known", ".well-known", ".well-known/.x", ".well-known/../x"),
    # bytes that cut or split
    *("a\0", "a\0.png", "a\r\nb", "a\tb", "\x1b[0m", "a\x7f", "\ud800", "a\udcff"),
]


@pytest.mark.parametrize("path", HOSTILE, ids=ascii)
def test_hostile(path: str) -> None:
    assert parse_file_path(path) is None


@pytest.mark.parametrize(
    "path",
    [
        *("a", "a.css", "css/site.css", "a b.txt", "a..b", "a...css", "käse.html", "\uff41dmin", "控え/い.png", "%2e%2e", "%252e%252e", "%2e%2e%2fx"),
        *(".well-known/acme-challenge/x", ".well-known/security.txt", "console.js", "comx", "com10", "nully", "a.con", "~", "a;b", "-rf", "$x", "*", " a"),
    ],
)
def test_harmless(path: str) -> None:
    assert parse_file_path(path) == tuple(path.split("/"))


@given(
    st.lists(
        st.sampled_from(["a", "b.css", ".", "..", "...", "/", "/../", "../", "/..", "\\", ":", " ", "\0", "~", "%2e", ";", "con"]) | st.characters(), max_size=9
    ).map("".join)
)
def test_what_is_accepted_stays_below(path: str) -> None:
    names = parse_file_path(path)
    assert names is None or all(name and name not in (".", "..") and not set(name) & set("/\\:\0") for name in names)
