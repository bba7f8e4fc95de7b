from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.negotiation import best_encoding, best_language, best_match, parse_weighted

from .costs import cpu_seconds


@pytest.mark.parametrize(
    ("header", "members"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("gzip", [("gzip", {}, 1.0)], id="one"),
        pytest.param("a/b;q=0.5, c/d , */*;q=0", [("a/b", {}, 0.5), ("c/d", {}, 1.0), ("*/*", {}, 0.0)], id="weights"),
        pytest.param("A/B;Level=X;Q=0.25", [("a/b", {"level": "X"}, 0.25)], id="case"),
        pytest.param("a;q=1.000,b;q=0.,c;q=.5,d;q=1.", [("a", {}, 1.0), ("b", {}, 0.0), ("c", {}, 0.5), ("d", {}, 1.0)], id="spellings"),
        pytest.param("a;q=2,b;q=-1,c;q=,d;q=x,e;q=1.5,f;q=0.1.1,g;q=inf,h;q=1e0,i;q=\u0661", [], id="broken weights"),
        pytest.param(",, ,a b,(x),;q=1,é", [], id="broken names"),
        pytest.param('a;x="b,c;q=0";q=0.5,d', [("a", {"x": "b,c;q=0"}, 0.5), ("d", {}, 1.0)], id="quotes"),
        pytest.param('a;x="b\\",c",d', [("a", {"x": 'b",c'}, 1.0), ("d", {}, 1.0)], id="an escaped quote"),
        pytest.param('a;x="b,c', [("a", {"x": "b,c"}, 1.0)], id="an open quote"),
        pytest.param('a;x="b\\', [("a", {"x": "b"}, 1.0)], id="a backslash at the end"),
        pytest.param(",".join(f"a{i}" for i in range(70)), [(f"a{i}", {}, 1.0) for i in range(64)], id="64 members"),
        pytest.param("x" * 129, [], id="a long name"),
    ],
)
def test_parse(header: str, members: Any) -> None:
    assert parse_weighted(header) == members


JSON, HTML, TEXT = "application/json", "text/html", "text/plain"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("header", "offers", "best"),
    [
        pytest.param(None, [JSON, HTML], JSON, id="no header"),
        pytest.param("", [JSON, HTML], JSON, id="empty"),
        pytest.param(";;;", [JSON], JSON, id="nothing that can be read"),
        pytest.param("*/*", [JSON, HTML], JSON, id="anything"),
        pytest.param("*; q=.2", [JSON, HTML], JSON, id="a lone star"),
        pytest.param(BROWSER, [JSON, HTML], HTML, id="a browser"),
        pytest.param(BROWSER, [JSON], JSON, id="a browser, nothing better"),
        pytest.param("text/*", [JSON, TEXT, HTML], TEXT, id="the first of equals"),
        pytest.param("text/*;q=0.3, text/html;q=0.7, */*;q=0.5", [TEXT, JSON, HTML], HTML, id="the specific one decides"),
        pytest.param("text/html;q=0, */*", [HTML, JSON], JSON, id="refused by name"),
        pytest.param("*/*, text/html;q=0", [HTML], None, id="refused by name, behind"),
        pytest.param("image/*", [JSON, HTML], None, id="none"),
        pytest.param("application/json;q=0", [JSON], None, id="refused"),
        pytest.param("application/json;charset=utf-8", [JSON], JSON, id="a charset says nothing"),
        pytest.param("text/html;level=1;q=0.4, text/html;q=0.7", ["text/html;level=1", HTML], HTML, id="a parameter"),
        pytest.param("text/html;level=2", [HTML], None, id="a parameter that is not offered"),
        pytest.param("a/b;x=1, a/b;x=1;y=2;q=0.5", ["a/b;x=1;y=2", "a/b;x=1"], "a/b;x=1", id="more parameters are more specific"),
        pytest.param("text/*;x=1;y=2;q=0.2, text/html, a/b;q=0.5", ["a/b", "text/html;x=1;y=2"], "text/html;x=1;y=2", id="the type before its parameters"),
        pytest.param("text/html;q=0, text/html", [HTML], None, id="the first of two"),
        pytest.param("Application/JSON", ["Application/Json"], "Application/Json", id="case"),
        pytest.param("text", ["text/html"], None, id="half a type"),
        pytest.param("a/b", [], None, id="no offers"),
        pytest.param(None, [], None, id="no header, no offers"),
    ],
)
def test_best_match(header: str | None, offers: list[str], best: str | None) -> None:
    assert best_match(header, offers) == best


@pytest.mark.parametrize(
    ("header", "offers", "best"),
    [
        pytest.param(None, ["en", "de"], "en", id="no header"),
        pytest.param("de, en;q=0.5", ["en", "de"], "de", id="by weight"),
        pytest.param("de", ["en", "de-CH"], "de-CH", id="a dialect"),
        pytest.param("de-AT, en;q=0.5", ["en", "de"], "de", id="a parent"),
        pytest.param("en-US, en;q=0.9, de;q=0.95", ["de", "en"], "en", id="a parent of the best"),
        pytest.param("de-AT;q=0.3, *;q=0.1", ["en", "de"], "de", id="a parent before the star"),
        pytest.param("*;q=0.1, de;q=0.3", ["en", "de"], "de", id="the star"),
        pytest.param("*, de;q=0", ["de", "en"], "en", id="refused by name"),
        pytest.param("de-AT, de;q=0", ["de"], None, id="refused, though a dialect is welcome"),
        pytest.param("de;q=0.2, de-CH;q=0.8", ["de", "de-CH"], "de-CH", id="the longest decides"),
        pytest.param("de;q=0.3, *;q=0.9", ["de", "fr"], "fr", id="its own weight, not the star's"),
        pytest.param("de-CH, *;q=0", ["de"], "de", id="a parent in spite of the star"),
        pytest.param("d", ["de"], None, id="no part of a word"),
        pytest.param("fr", ["en"], None, id="none"),
        pytest.param("EN-us", ["en-US"], "en-US", id="case"),
    ],
)
def test_best_language(header: str | None, offers: list[str], best: str | None) -> None:
    assert best_language(header, offers) == best


CODINGS = ["zstd", "br", "gzip"]


@pytest.mark.parametrize(
    ("header", "best"),
    [
        pytest.param(None, "identity", id="no header"),
        pytest.param("", "identity", id="empty"),
        pytest.param("gzip, deflate, br, zstd", "zstd", id="our preference"),
        pytest.param("gzip;q=1.0, br;q=0.5", "gzip", id="the client's"),
        pytest.param("x-gzip", "gzip", id="x-gzip"),
        pytest.param("*", "zstd", id="anything"),
        pytest.param("zstd;q=0, *", "br", id="anything but"),
        pytest.param("deflate", "identity", id="none of ours"),
        pytest.param("gzip;q=0.5, identity", "identity", id="rather not at all"),
        pytest.param("gzip, identity;q=0.5", "gzip", id="rather so"),
        pytest.param("gzip, identity", "gzip", id="equal"),
        pytest.param("identity;q=0", None, id="not without"),
        pytest.param("*;q=0", None, id="nothing at all"),
        pytest.param("*;q=0, identity", "identity", id="identity alone"),
        pytest.param("gzip, *;q=0", "gzip", id="gzip alone"),
        pytest.param("gzip;q=0, gzip", "identity", id="the first of two"),
    ],
)
def test_best_encoding(header: str | None, best: str | None) -> None:
    assert best_encoding(header, CODINGS) == best


pieces = st.lists(st.sampled_from(["a", "/", "*", ",", ";", "q", "=", "0", "1", ".", '"', "\\", " ", "-", "é", "text/html", ";q=0.5"])).map("".join)


@given(pieces | st.text(), st.lists(st.sampled_from(["a/a", "text/html", "a", "a-a"]), unique=True))
def test_the_best_is_an_offer(header: str, offers: list[str]) -> None:
    for member in parse_weighted(header):
        assert 0 <= member.weight <= 1 and member.value == member.value.lower()
    assert best_match(header, offers) in [*offers, None]
    assert best_language(header, offers) in [*offers, None]
    assert best_encoding(header, offers) in [*offers, "identity", None]


def seconds(piece: str, size: int) -> float:
    header = "a" + piece * (size // len(piece))
    return cpu_seconds(lambda: parse_weighted(header))


@pytest.mark.parametrize("piece", [",", "\\", '"', ";q=", ';a="', '\\"', "a,", " ", ";", "=", ',"\\'], ids=repr)
def test_A11_headers_are_read_in_linear_time(piece: str) -> None:
    assert seconds(piece, 4 * 65_536) < 6 * seconds(piece, 65_536) + 0.05
