from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.cookies import parse_cookies
from shallot.codec.headers import parse_headers
from shallot.codec.query import parse_query
from shallot.middlewares.cookies import cookies_request
from shallot.middlewares.json import json_request
from shallot.middlewares.parameters import parameters_request
from shallot.testing import http_scope, request, websocket_scope


@pytest.mark.parametrize(("method", "scope"), [("GET", http_scope("GET", "/x?a=b")), ("WS", websocket_scope("/x?a=b"))])
def test_it_has_the_scopes_keys_and_ours(method: str, scope: dict[str, Any]) -> None:
    asked = request(method, "/x?a=b")
    assert set(scope) - {"headers"} <= set(asked)
    assert {key: asked[key] for key in scope if key != "headers"} == {key: scope[key] for key in scope if key != "headers"}
    assert (asked["method"], asked["body"], asked["config"], asked["headers"], asked["headers_list"]) == (method, b"", {}, {}, [])
    assert asked["run_in_thread"] is asyncio.to_thread
    assert set(asked) - set(scope) - {"method"} == {
        *("headers_list", "body", "config", "run_in_thread"),
        *("json", "query_params", "form_params", "params", "cookies", "path_params"),
    }


def test_headers_are_a_dict_and_a_list() -> None:
    asked = request("GET", "/", headers={"Accept": ["a/b", "c/d"], "X": "\xe9", "cookie": ["a=1", "b=2"], "gone": None})
    assert asked["headers"] == {"accept": "a/b,c/d", "x": "\xe9", "cookie": "a=1; b=2"}
    assert asked["headers_list"] == [(b"accept", b"a/b"), (b"accept", b"c/d"), (b"x", b"\xe9"), (b"cookie", b"a=1"), (b"cookie", b"b=2")]
    assert asked["cookies"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"body": b"raw"}, {"body": b"raw", "headers": {}}),
        ({"body": "käse"}, {"body": "käse".encode(), "headers": {}}),
        ({"json": {"a": 1}}, {"body": b'{"a":1}', "json": {"a": 1}, "headers": {"content-type": "application/json"}}),
        ({"json": None}, {"body": b"null", "json": None, "headers": {"content-type": "application/json"}}),
        ({"json": 1, "body": b" 1 "}, {"body": b" 1 ", "json": 1}),
        ({"json": 1, "headers": {"Content-Type": "a/b+json"}}, {"headers": {"content-type": "a/b+json"}}),
        ({"query_params": {"a": 1, "b": ["2", "3"]}}, {"query_string": b"a=1&b=2&b=3", "query_params": {"a": ["1"], "b": ["2", "3"]}}),
        ({"query_params": {"blank": ""}}, {"query_string": b"blank=", "query_params": {"blank": [""]}}),
        (
            {"form_params": {"a": "x y"}},
            {"body": b"a=x+y", "form_params": {"a": ["x y"]}, "params": {"a": ["x y"]}, "headers": {"content-type": "application/x-www-form-urlencoded"}},
        ),
        ({"form_params": {"a": 1}, "body": "a=1"}, {"body": b"a=1"}),
        ({"query_params": {"a": 1, "b": 2}, "form_params": {"a": 3}}, {"params": {"a": ["3"], "b": ["2"]}}),
        ({"params": {"a": 1}}, {"params": {"a": ["1"]}, "query_params": {}, "query_string": b""}),
        ({"cookies": {"a": "b;c"}}, {"cookies": {"a": "b;c"}, "headers": {"cookie": "a=b%3Bc"}}),
        ({"cookies": {"a": "50%41"}}, {"cookies": {"a": "50%41"}, "headers": {"cookie": "a=50%2541"}}),
        ({"cookies": {}, "headers": {"cookie": "a=b"}}, {"cookies": {}}),
        ({"path_params": {"number": 7}}, {"path_params": {"number": 7}}),
        ({"identity": "ann", "session": {}}, {"identity": "ann", "session": {}}),
        ({"config": {"db": 1}, "scheme": "https"}, {"config": {"db": 1}, "scheme": "https"}),
    ],
    ids=str,
)
def test_keys(keys: dict[str, Any], expected: dict[str, Any]) -> None:
    asked = request("POST", "/", **keys)
    assert {key: asked[key] for key in expected} == expected


def test_the_query_may_stand_in_the_path_and_beside_it() -> None:
    asked = request("GET", "/?a=1&blank=", query_params={"a": 2, "b": 3})
    assert (asked["query_string"], asked["query_params"]) == (b"a=1&blank=&a=2&b=3", {"a": ["1", "2"], "b": ["3"]})


def test_a_websocket_has_subprotocols_and_no_body() -> None:
    asked = request("ws", "/", headers={"sec-websocket-protocol": "v1, v2,"}, body=b"ignored")
    assert (asked["type"], asked["method"], asked["scheme"], asked["subprotocols"], asked["body"]) == ("websocket", "WS", "ws", ["v1", "v2"], b"")


def test_two_requests_share_nothing() -> None:
    given_params = {"a": ["1"]}
    first = request("GET", "/", params=given_params, path_params=given_params, cookies={})
    first["params"]["a"].append("2")
    first["config"]["x"] = 1
    assert given_params == {"a": ["1"]}
    assert request("GET", "/")["config"] == {}


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(
    st.dictionaries(WORDS, st.lists(WORDS, min_size=1)),
    st.dictionaries(st.from_regex(r"[a-z]+", fullmatch=True), st.text(st.characters(exclude_categories=["Cs"]))),
)
def test_the_keys_say_what_the_wire_says(params: dict[str, list[str]], cookies: dict[str, str]) -> None:
    asked = request("GET", "/", query_params=params, cookies=cookies)
    assert parse_query(asked["query_string"], max_params=10**6) == asked["query_params"] == params
    assert parse_cookies(asked["headers"].get("cookie", "")) == asked["cookies"] == cookies
    assert parse_headers(asked["headers_list"]) == asked["headers"]


@pytest.mark.parametrize(
    "asked",
    [
        request("GET", "/?a=1&a=2&blank="),
        request("GET", "/", query_params={"a": ["1", "é"]}, cookies={"b": "c d"}),
        request("POST", "/?a=1&b=2", form_params={"a": "3"}),
        request("POST", "/", json={"a": [1.5, None]}),
        request("PUT", "/", body=b"raw"),
        request("WS", "/?a=1", headers={"cookie": "a=1; b=2"}),
    ],
    ids=lambda asked: f"{asked['method']} {asked['query_string']} {asked['body']}",
)
def test_the_middlewares_would_have_put_the_same_keys_there(asked: dict[str, Any]) -> None:
    fresh = {key: value for key, value in asked.items() if key not in ("query_params", "form_params", "params", "cookies", "json")}
    for fill in (parameters_request, cookies_request, json_request):
        fresh = {**fresh, **fill(dict(fresh))}
    assert fresh == asked
