from __future__ import annotations

from typing import Any

import pytest

from shallot.compose import apply_middleware
from shallot.errors import BadRequest, BodyTooLarge, UnsupportedMedia
from shallot.middlewares.parameters import parameters_request, wrap_parameters

FORM = {"content-type": "application/x-www-form-urlencoded"}


def asking(query: bytes = b"", form: bytes = b"", headers: Any = FORM, **keys: Any) -> Any:
    return {"type": "http", "query_string": query, "headers": headers, "body": form, **keys}


async def answer(request: Any, *options: Any, **named: Any) -> Any:
    async def show(request: Any) -> Any:
        return [request["query_params"], request["form_params"], request["params"]]

    return await apply_middleware(wrap_parameters(*options, **named))(show)(request)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param({}, [{}, {}, {}], id="the smallest request"),
        pytest.param(asking(), [{}, {}, {}], id="none"),
        pytest.param(asking(b"a=1&b=2&a=3"), [{"a": ["1", "3"], "b": ["2"]}, {}, {"a": ["1", "3"], "b": ["2"]}], id="query"),
        pytest.param(asking(b"", b"a=1&a=2"), [{}, {"a": ["1", "2"]}, {"a": ["1", "2"]}], id="form"),
        pytest.param(asking(b"a=1&b=2", b"a=3"), [{"a": ["1"], "b": ["2"]}, {"a": ["3"]}, {"a": ["3"], "b": ["2"]}], id="the form wins"),
        pytest.param(asking(b"", b"a=1", {"content-type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8"}), [{}, {"a": ["1"]}, {"a": ["1"]}], id="typed"),
        pytest.param(asking(b"", b"a=1", {"content-type": "text/plain"}), [{}, {}, {}], id="another type"),
        pytest.param(asking(b"", b"a=1", {"content-type": "text/plain;application/x-www-form-urlencoded"}), [{}, {}, {}], id="the type in a parameter"),
        pytest.param(asking(b"", b"a=1", {}), [{}, {}, {}], id="no type"),
        pytest.param(asking(b"a=%C3%A9+x", b"b=%C3%A9"), [{"a": ["é x"]}, {"b": ["é"]}, {"a": ["é x"], "b": ["é"]}], id="escapes"),
        pytest.param(asking(b"a=1", b"", {}, type="websocket", method="WS"), [{"a": ["1"]}, {}, {"a": ["1"]}], id="a WebSocket"),
    ],
)
async def test_parameters(request_: Any, expected: Any) -> None:
    assert await answer(request_) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [{"b": ["1"]}, {"d": ["1"]}, {"b": ["1"], "d": ["1"]}]),
        (
            {"keep_blank_values": True},
            [{"a": [""], "b": ["1"]}, {"c": [""], "d": ["1"]}, {"a": [""], "b": ["1"], "c": [""], "d": ["1"]}],
        ),
    ],
    ids=["left out", "kept"],
)
async def test_blank_values(options: Any, expected: Any) -> None:
    assert await answer(asking(b"a=&b=1", b"c=&d=1"), **options) == expected
    assert await answer(asking(b"a=&b=1", b"c=&d=1"), *options.values()) == expected


@pytest.mark.parametrize("request_", [asking(b"a&b=1"), asking(b"", b"a&b=1")], ids=["query", "form"])
async def test_strict_parsing(request_: Any) -> None:
    assert (await answer(dict(request_)))[2] == {"b": ["1"]}
    with pytest.raises(BadRequest, match="a pair without ="):
        await answer(dict(request_), strict_parsing=True)


async def test_another_encoding() -> None:
    assert await answer(asking(b"a=%E9", b"b=%E9"), encoding="latin-1") == [{"a": ["é"]}, {"b": ["é"]}, {"a": ["é"], "b": ["é"]}]


@pytest.mark.parametrize("bad", [b"&" * 1000, b"a=%", b"a=%FF", b"\xff"], ids=["1001 parameters", "percent", "latin-1", "raw latin-1"])
async def test_bad_ones_are_the_peers_fault(bad: bytes) -> None:
    for request in (asking(bad), asking(b"", bad)):
        with pytest.raises(BadRequest):
            await answer(request)


@pytest.mark.parametrize("encoding", ["utf-9", "hex"], ids=["unknown", "of-no-text"])
def test_a_wrong_encoding_is_found_at_build_time(encoding: str) -> None:
    with pytest.raises(ValueError) as caught:
        wrap_parameters(encoding=encoding)
    assert str(caught.value) == f"wrap_parameters: no encoding of text is named {encoding!r}; give one that Python knows, like 'utf-8'"


def test_request_gives_the_same_request() -> None:
    request = asking(b"a=1&b=&c")
    assert parameters_request(request) is request
    assert request["params"] == {"a": ["1"]}
    assert request["params"] is not request["query_params"]


async def test_nested() -> None:
    async def show(request: Any) -> Any:
        return request["nested_params"]

    request = asking(b"a[b]=1&q=2", b"a[c]=3&tags[]=4&tags[]=5")
    expected = {"a": {"b": ["1"], "c": ["3"]}, "q": ["2"], "tags": ["4", "5"]}
    assert await apply_middleware(wrap_parameters(nested=True))(show)(request) == expected  # type: ignore[comparison-overlap]
    assert request["params"]["a[b]"] == ["1"]
    assert "nested_params" not in parameters_request(asking(b"a[b]=1"))


@pytest.mark.parametrize("query", [b"a[b][c][d][e][f]=1", b"a[999999999]=1", b"a=1&a[b]=2"])
async def test_A19_nested_bombs_are_the_peers_fault(query: bytes) -> None:
    with pytest.raises(BadRequest):
        await answer(asking(query), nested=True)
    assert len((await answer(asking(query)))[0]) == query.count(b"=")


async def test_a_form_that_was_read_already_stays() -> None:
    request = asking(b"a=1", b"c=4", form_params={"a": ["2"], "b": ["3"]})
    assert await answer(request) == [{"a": ["1"]}, *[{"a": ["2"], "b": ["3"], "c": ["4"]}] * 2]


async def test_E3_a_urlencoded_form_has_the_limits_of_the_other_kind() -> None:
    """CVE-2026-54283"""
    with pytest.raises(BadRequest):
        await answer(asking(b"", b"&".join([b"a=1"] * 1001)))
    with pytest.raises(BodyTooLarge, match="^a form of more than 500000 bytes$"):
        await answer(asking(b"", b"a=" + b"x" * 501_000))
    assert len((await answer(asking(b"", b"a=" + b"x" * 499_998)))[1]["a"][0]) == 499_998


@pytest.mark.parametrize(
    ("options", "error"),
    [({"max_params": 1}, BadRequest), ({"max_form_bytes": 6}, BodyTooLarge)],
    ids=["parameters", "bytes"],
)
async def test_bounds_of_ones_own(options: Any, error: Any) -> None:
    with pytest.raises(error):
        await answer(asking(b"", b"a=1&b=2"), **options)
    assert await answer(asking(b"", b"a=1"), **options) == [{}, {"a": ["1"]}, {"a": ["1"]}]


@pytest.mark.parametrize("bound", [0, True, 1.5, None], ids=repr)
@pytest.mark.parametrize("option", ["max_params", "max_form_bytes"])
def test_wrong_bounds_are_found_at_build_time(option: str, bound: Any) -> None:
    with pytest.raises(ValueError, match=f"^wrap_parameters: {option} must be a whole number from 1 on, not {bound!r}$"):
        wrap_parameters(**{option: bound})


async def test_E12_a_compressed_form_is_refused() -> None:
    with pytest.raises(UnsupportedMedia):
        await answer(asking(b"", b"a=1", {**FORM, "content-encoding": "gzip"}))
    assert (await answer(asking(b"", b"a=1", {**FORM, "content-encoding": "identity"})))[1] == {"a": ["1"]}
    assert (await answer(asking(b"a=1", b"", {**FORM, "content-encoding": "gzip"})))[0] == {"a": ["1"]}
