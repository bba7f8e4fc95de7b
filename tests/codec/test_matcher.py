"""shallot.codec.matcher: the trie against a slow matcher that is obviously right; what a search visits, counted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallot.codec import matcher as module
from shallot.codec.matcher import build_matcher, find
from shallot.codec.paths import CONVERTERS, Tag, parse_pattern


def matcher_of(*paths: str, own: Any = None) -> Any:
    return build_matcher([(parse_pattern(path, None), path) for path in paths], own)


def row(*values: object, id: str) -> object:
    return pytest.param(*values, id=id)


@pytest.mark.parametrize(
    ("paths", "path", "found"),
    [
        row(["/"], "/", ("/", []), id="root"),
        row(["/"], "", ("/", []), id="nothing-is-root"),
        row(["/"], "//", ("/", []), id="slashes-are-root"),
        row(["/a"], "/a", ("/a", []), id="text"),
        row(["/a"], "/a//", ("/a", []), id="trailing-slashes"),
        row(["/a"], "//a", None, id="leading-slashes"),
        row(["/a"], "a", None, id="no-slash"),
        row(["/a"], "x/a", None, id="not-at-the-start"),
        row(["/a"], "/A", None, id="case"),
        row(["/a.b"], "/axb", None, id="dot-is-a-dot"),
        row(["/a"], "/a/b", None, id="longer"),
        row(["/a/b"], "/a", None, id="shorter"),
        row(["/a/b"], "/a/x/../b", None, id="no-normalising"),
        row(["/{x}"], "/a", ("/{x}", ["a"]), id="tag"),
        row(["/{x}"], "/", None, id="tag-is-not-empty"),
        row(["/{x}"], "/..", None, id="tag-is-no-dots"),
        row(["/{x}"], "/a/b", None, id="tag-is-one-segment"),
        row(["/{x}/{y}"], "/a/b", ("/{x}/{y}", ["a", "b"]), id="two-tags"),
        row(["/{x}/{y}"], "/" + "/" * 10_000 + "a", None, id="ten-thousand-slashes"),
        row(["/{x:int}"], "/12", ("/{x:int}", [12]), id="int"),
        row(["/{x:int}"], "/１２", None, id="int-is-ascii"),
        row(["/{x:int}"], "/" + "1" * 5000, None, id="int-is-short"),
        row(["/a", "/{x:int}", "/{x:uuid}", "/{x:float}", "/{x}", "/{x:path}"], "/a", ("/a", []), id="text-first"),
        row(["/{x:path}", "/{x}", "/{x:float}", "/{x:int}"], "/1", ("/{x:int}", [1]), id="int-before-float"),
        row(["/{x:path}", "/{x}", "/{x:float}", "/{x:int}"], "/1.5", ("/{x:float}", [1.5]), id="float-before-str"),
        row(["/{x:path}", "/{x}"], "/b", ("/{x}", ["b"]), id="str-before-path"),
        row(["/{x:path}", "/{x}"], "/b/c", ("/{x:path}", ["b/c"]), id="path-last"),
        row(["/{x:path}"], "/b/c/", ("/{x:path}", ["b/c"]), id="path-trailing"),
        row(["/{x:path}"], "//b", None, id="path-is-not-absolute"),
        row(["/{x:path}"], "/b/../c", None, id="path-has-no-dots"),
        row(["/a/{x:path}"], "/a", None, id="path-is-not-empty"),
        row(["/a/b/c", "/{x}/b/d"], "/a/b/d", ("/{x}/b/d", ["a"]), id="back-from-text"),
        row(["/{x:int}/a", "/{x}/b"], "/1/b", ("/{x}/b", ["1"]), id="back-from-int"),
        row(["/{x}/a", "/{x:path}"], "/1/b", ("/{x:path}", ["1/b"]), id="back-from-str"),
        row(["/a/{x}/c", "/a/{x:path}", "/{y}/{z}/d"], "/a/b/d", ("/a/{x:path}", ["b/d"]), id="leftmost-decides"),
    ],
)
def test_find(paths, path, found):
    for order in (paths, paths[::-1]):
        assert find(matcher_of(*order), path) == found


def test_texts_of_static_paths():
    assert matcher_of("/", "/a/b", "/{x}").texts == {"/": "/", "/a/b": "/a/b", "/a/b/": "/a/b"}


def test_own_converters_first_in_their_order():
    def parse_hex(text: str) -> int:
        return int(text, 16)

    def parse_short(text: str) -> str:
        if len(text) > 2:
            raise ValueError(text)
        return text

    paths = ["/{x}", "/{x:int}", "/{x:short}", "/{x:hex}"]
    search = matcher_of(*paths, own={"hex": parse_hex, "short": parse_short})
    assert [find(search, path) for path in ("/10", "/zz", "/zzz")] == [("/{x:hex}", [16]), ("/{x:short}", ["zz"]), ("/{x}", ["zzz"])]


def test_errors_of_a_converter_that_are_no_refusal_are_seen():
    with pytest.raises(KeyError):
        find(matcher_of("/{x:own}", own={"own": {}.__getitem__}), "/a")


def test_the_last_of_one_shape_stays():
    assert find(build_matcher([(parse_pattern("/{a}"), "first"), (parse_pattern("/{b}"), "second")]), "/x") == ("second", ["x"])


# ---- against the obvious


def matches(pattern: Any, path: str) -> list[Any] | None:
    segments = path.rstrip("/").split("/")
    if segments.pop(0) != "":
        return None
    if pattern and isinstance(pattern[-1], Tag) and pattern[-1].converter == "path" and len(segments) >= len(pattern):
        at = len(pattern) - 1
        segments[at:] = ["/".join(segments[at:])]
    if len(segments) != len(pattern):
        return None
    values: list[Any] = []
    for expected, segment in zip(pattern, segments, strict=True):
        if isinstance(expected, Tag):
            try:
                values.append(CONVERTERS[expected.converter].parse(segment))
            except ValueError:
                return None
        elif expected != segment:
            return None
    return values


def precedence(pattern: Any) -> list[int]:
    return [list(CONVERTERS).index(segment.converter) if isinstance(segment, Tag) else -1 for segment in pattern]


def obvious(patterns: Any, path: str) -> Any:
    ranked = [(precedence(pattern), values, pattern) for pattern in patterns if (values := matches(pattern, path)) is not None]
    _, values, pattern = min(ranked, default=(None, None, None), key=lambda found: found[0])
    return None if pattern is None else (pattern, values)


SEGMENT = st.sampled_from(["a", "b", "7", "1.5", "a2b0c1d2-e3f4-4a5b-8c6d-7e8f90a1b2c3"])
PLACE = st.one_of(SEGMENT, st.sampled_from(["int", "uuid", "float", "str"]).map(lambda name: Tag("x", name)))
PATTERN = st.builds(lambda places, rest: (*places, *rest), st.lists(PLACE, max_size=4), st.sampled_from([(), (Tag("x", "path"),)]))
PATH = st.lists(st.one_of(SEGMENT, st.sampled_from(["", ".", "..", "zz"])), max_size=6).map(lambda segments: "/" + "/".join(segments))


@settings(max_examples=400, deadline=None)
@given(patterns=st.lists(PATTERN, max_size=30, unique=True), paths=st.lists(PATH, max_size=10))
def test_the_trie_agrees_with_the_obvious(patterns, paths):
    search = build_matcher([(pattern, pattern) for pattern in patterns])
    for path in paths:
        assert find(search, path) == obvious(patterns, path)
        if path in search.texts:
            assert find(search, path) == (search.texts[path], [])


# ---- what it costs


def visited(work: Callable[[], object]) -> int:
    """How many functions of the matcher a search calls."""
    calls = 0

    def count(frame: Any, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename == module.__file__

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


def table(size: int) -> Any:
    kinds = ["/r{}", "/r{}/{{x:int}}", "/r{}/{{x:int}}/to/{{y}}", "/r{}/{{x}}", "/{{x}}/r{}", "/{{rest:path}}"]
    return matcher_of(*{kinds[number % 6].format(number // 6) for number in range(size)})


@pytest.mark.parametrize("path", ["/r0", "/r0/7", "/r0/7/to/b", "/b/r0", "/r0/b/c", "/b/c", "/b/../c"])
def test_cost_does_not_grow_with_the_table(path):
    small, large = table(12), table(10_000)
    assert find(small, path) == find(large, path)
    assert 0 < visited(lambda: find(small, path)) == visited(lambda: find(large, path)) < 20
