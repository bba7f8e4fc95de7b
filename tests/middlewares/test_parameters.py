from __future__ import annotations

from typing import Any

import pytest

from shallot.compose import apply_middleware
from shallot.errors import BadRequest
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
