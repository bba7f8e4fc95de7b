"""shallot.codec.paths: patterns and paths, both ways."""

from __future__ import annotations

from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.paths import CONVERTERS, Tag, format_path, format_pattern, parse_pattern

ID = UUID("a2b0c1d2-e3f4-4a5b-8c6d-7e8f90a1b2c3")


def row(*values: object, id: str) -> object:
    return pytest.param(*values, id=id)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        row("/", (), id="root"),
        row("//", (), id="root-twice"),
        row("/a", ("a",), id="text"),
        row("/a/b/", ("a", "b"), id="trailing-slash"),
        row("/a.b/c d/é", ("a.b", "c d", "é"), id="text-is-literal"),
        row("/{x}", (Tag("x", "str"),), id="tag"),
        row("/{x:str}", (Tag("x", "str"),), id="str"),
        row("/a/{x:int}/b/{y:float}", ("a", Tag("x", "int"), "b", Tag("y", "float")), id="typed"),
        row("/{user-id:uuid}", (Tag("user-id", "uuid"),), id="any-name"),
        row("/a/{rest:path}", ("a", Tag("rest", "path")), id="path"),
    ],
)
def test_parse_pattern(text, pattern):
    assert parse_pattern(text) == pattern
    assert parse_pattern(format_pattern(pattern)) == pattern


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        row("a", "a path begins with '/', not like 'a'", id="no-slash"),
        row("", "a path begins with '/', not like ''", id="empty"),
        row("/a{b}", "a tag is one whole segment, '{name}' or '{name:converter}', not 'a{b}'", id="part-of-segment"),
        row("/{b}c", "a tag is one whole segment", id="part-before"),
        row("/a/<int:b>", "a tag is written '{name}' or '{name:converter}', not '<int:b>'", id="another framework's"),
        row("/{a}{b}", "a tag is one whole segment", id="two-in-one"),
        row("/{{a}}", "a tag is one whole segment", id="doubled"),
        row("/{a", "a tag is one whole segment", id="open"),
        row("/a}", "a tag is one whole segment", id="closed"),
        row("/{", "a tag is one whole segment", id="brace"),
        row("/{}", "the tag '{}' has no name", id="no-name"),
        row("/{ :int}", "the tag '{ :int}' has no name", id="blank-name"),
        row("/{a:}", "no converter is named '' ({a:}); there are int, uuid, float, str, path;", id="no-converter"),
        row(
            "/{a:hex}",
            "no converter is named 'hex' ({a:hex}); there are int, uuid, float, str, path; own ones: wrap_routes(routes, converters={...})",
            id="unknown",
        ),
        row("/{a}/b/{a:int}", "the tag 'a' stands twice in '/{a}/b/{a:int}'; each value needs a name of its own", id="twice"),
        row("/{a:path}/b", "a path tag takes all that is left, so it must be the last segment of '/{a:path}/b'", id="path-not-last"),
        row("/a//b", "the segment '' can never match", id="empty-segment"),
        row("//a", "the segment '' can never match", id="empty-first"),
        row("/a/../b", "the segment '..' can never match", id="dots"),
        row("/./b", "the segment '.' can never match", id="dot"),
        row("/a\nb", "the segment 'a\\nb' can never match", id="control"),
        row("/\ufffd", "the segment '\ufffd' can never match", id="replacement"),
    ],
)
def test_malformed_patterns(text, complaint):
    with pytest.raises(ValueError) as error:
        parse_pattern(text)
    assert complaint in str(error.value)


def test_names_of_converters():
    assert parse_pattern("/{a:hex}", ["hex"]) == (Tag("a", "hex"),)
    assert parse_pattern("/{a:anything}", None) == (Tag("a", "anything"),)


@pytest.mark.parametrize(
    ("converter", "text", "value"),
    [
        row("str", "a b", "a b", id="str"),
        row("str", "...", "...", id="three-dots"),
        row("int", "0", 0, id="int"),
        row("int", "007", 7, id="int-zeros"),
        row("int", "9" * 19, 10**19 - 1, id="int-19-digits"),
        row("float", "12", 12.0, id="float-whole"),
        row("float", "0.5", 0.5, id="float"),
        row("uuid", str(ID), ID, id="uuid"),
        row("uuid", str(ID).upper(), ID, id="uuid-upper"),
        row("path", "a", "a", id="path-one"),
        row("path", "a//b", "a//b", id="path-inside"),
        row("path", "a/...", "a/...", id="path-three-dots"),
    ],
)
def test_parse(converter, text, value):
    assert CONVERTERS[converter].parse(text) == value


REFUSED = [
    *[("str", text) for text in ("", ".", "..", "a/b")],
    *[("int", text) for text in ("", "-1", "+1", "1_0", " 1", "1 ", "1.0", "0x1", "x", "１２", "٣", "²", "1" * 20, "1" * 5000)],
    *[("float", text) for text in ("", ".5", "5.", "-1.0", "1e3", "nan", "inf", "1_0.0", "1.2.3", "１.５", "1" * 20, "0." + "1" * 20, "1\n")],
    *[("uuid", text) for text in ("", "x", ID.hex, f"{{{ID}}}", f"urn:uuid:{ID}", f"{ID}\n", f" {ID}")],
    *[("path", text) for text in ("", "/a", "a/", "..", "a/../b", "./a", "a/.", "/")],
]


@pytest.mark.parametrize(("converter", "text"), REFUSED, ids=lambda part: repr(part)[:24])
def test_refuse(converter, text):
    with pytest.raises(ValueError, match="not "):
        CONVERTERS[converter].parse(text)


@pytest.mark.parametrize(
    ("text", "values", "path"),
    [
        row("/", {}, "/", id="root"),
        row("/café/{x}", {"x": 5}, "/caf%C3%A9/5", id="text-is-encoded"),
        row("/{x}", {"x": "a b?#%&;+é"}, "/a%20b%3F%23%25%26%3B%2B%C3%A9", id="reserved"),
        row("/{x}", {"x": ID}, f"/{ID}", id="str-of-value"),
        row("/{rest:path}", {"rest": "a b/c"}, "/a%20b/c", id="path-keeps-slashes"),
        row("/{x:int}/{y:int}", {"y": 2, "x": 1}, "/1/2", id="path-order"),
        row("/{x:int}", {"x": "1"}, "/1", id="text-that-parses"),
        row("/{x:uuid}", {"x": ID}, f"/{ID}", id="uuid"),
        row("/{x:float}", {"x": 1}, "/1", id="float-of-int"),
        row("/{x:float}", {"x": 1e16}, "/10000000000000000", id="float-big"),
        row("/{x:float}", {"x": 2.5e-7}, "/0.00000025", id="float-small"),
        row("/{x:own}", {"x": "ff"}, "/ff", id="own-text"),
    ],
)
def test_format_path(text, values, path):
    assert format_path(parse_pattern(text, None), values) == path


@pytest.mark.parametrize(
    ("text", "values", "error", "complaint"),
    [
        row("/{x}/{y:int}", {}, TypeError, "/{x}/{y:int}: missing x, y; unknown none", id="missing"),
        row("/{x}", {"x": 1, "z": 2}, TypeError, "/{x}: missing none; unknown z", id="unknown"),
        row("/{x}", {"y": 2}, TypeError, "/{x}: missing x; unknown y", id="both"),
        row("/{x}", {"x": "a/b"}, ValueError, "'a/b' does not fit {x}: not a segment: 'a/b'", id="slash"),
        row("/{x}", {"x": ".."}, ValueError, "'..' does not fit {x}", id="dots"),
        row("/{x}", {"x": None}, ValueError, "None does not fit {x}: it would stand there as a word; write the text you mean", id="none"),
        row("/{x}", {"x": True}, ValueError, "True does not fit {x}: it would stand", id="bool"),
        row("/{x}", {"x": "a\0"}, ValueError, "does not fit {x}: no request's path holds such characters", id="control"),
        row("/{x}", {"x": "\ud800"}, ValueError, "does not fit {x}: no request's path holds such characters", id="surrogate"),
        row("/{x:int}", {"x": -1}, ValueError, "-1 does not fit {x:int}: not 1 to 19 ASCII digits", id="negative"),
        row("/{x:int}", {"x": True}, ValueError, "True does not fit {x:int}", id="int-bool"),
        row("/{x:int}", {"x": 1.0}, ValueError, "1.0 does not fit {x:int}", id="int-float"),
        row("/{x:float}", {"x": 1e-20}, ValueError, "1e-20 does not fit {x:float}: more than 19 digits after the point: 1e-20", id="float-small"),
        row("/{x:float}", {"x": 1e19}, ValueError, "1e+19 does not fit {x:float}", id="float-big"),
        row("/{x:float}", {"x": float("nan")}, ValueError, "nan does not fit {x:float}", id="nan"),
        row("/{x:float}", {"x": True}, ValueError, "True does not fit {x:float}", id="float-bool"),
        row("/{x:float}", {"x": object}, ValueError, "does not fit {x:float}", id="float-object"),
        row("/{x:uuid}", {"x": "x"}, ValueError, "'x' does not fit {x:uuid}: not a UUID of the form 8-4-4-4-12: 'x'", id="uuid"),
        row("/{x:path}", {"x": "/etc"}, ValueError, "'/etc' does not fit {x:path}: not the rest of a path: '/etc'", id="path"),
        row("/{x:own}", {"x": 255}, ValueError, "255 does not fit {x:own}: only wrap_routes knows this converter; give the text that it reads", id="own"),
    ],
)
def test_format_path_refuses(text, values, error, complaint):
    with pytest.raises(error) as raised:
        format_path(parse_pattern(text, None), values)
    assert complaint in str(raised.value)


VALUES = {
    "str": st.text(min_size=1).filter(lambda text: text not in (".", "..") and "/" not in text),
    "int": st.integers(0, 10**19 - 1),
    "uuid": st.uuids(),
    "float": st.floats(0, 1e19, exclude_max=True).filter(lambda value: value == 0 or value > 1e-3),
    "path": st.lists(st.text(min_size=1).filter(lambda text: text not in (".", "..") and "/" not in text), min_size=1).map("/".join),
}


@pytest.mark.parametrize("converter", VALUES)
@given(data=st.data())
def test_round_trip(converter, data):
    value = data.draw(VALUES[converter])
    pattern = parse_pattern(f"/{{x:{converter}}}")
    try:
        path = format_path(pattern, {"x": value})
    except ValueError as error:
        assert "no request's path" in str(error) or "more than 19 digits" in str(error)
        return
    assert path.isascii()
    assert repr(CONVERTERS[converter].parse(unquote(path[1:]))) == repr(value if value else abs(value))
