"""shallot.middlewares.routing: wrap_routes and url_for, called on plain dicts."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.compose import apply_middleware
from shallot.middlewares.routing import build_table, routes_request, url_for, wrap_routes
from shallot.websocket import websocket


def row(*values: object, id: str) -> object:
    return pytest.param(*values, id=id)


def named(name: str) -> Any:
    async def handler(request, *params):
        return {"status": 200, "handler": name, "params": params}

    handler.__qualname__ = name
    return handler


async def default(request, *params):
    return {"status": 404, "handler": "default", "params": params}


def request(method: str, path: str, **keys: Any) -> Any:
    return {"type": "websocket" if method == "WS" else "http", "method": method, "path": path, **keys}


async def ask(routes: Any, method: str, path: str, /, *inner: Any, **options: Any) -> Any:
    return await apply_middleware(wrap_routes(routes, **options), *inner)(default)(request(method, path))


A, B, C, D = named("a"), named("b"), named("c"), named("d")


@websocket
async def room(scope, receiver, name):
    yield {"type": "websocket.close"}


# ---- which handler


TABLE = [
    ("/", ["GET"], A),
    ("/users", [("/", ["GET"], A), ("/{name}", ["GET", "PUT"], B), ("/me", ["GET"], C), ("/{number:int}", ["DELETE"], D)]),
    ("/files/{rest:path}", ["GET"], B),
    ("/both", ["GET", "WS"], C),
    ("/head", ["GET"], A),
    ("/head", ["HEAD"], B),
    ("/options", ["GET"], A),
    ("/options", ["OPTIONS"], B),
    ("/only/{x}", ["WS"], D),
]


@pytest.mark.parametrize(
    ("method", "path", "handler", "params"),
    [
        row("GET", "/", "a", (), id="root"),
        row("GET", "/users", "a", (), id="nested-root"),
        row("GET", "/users/", "a", (), id="trailing-slash"),
        row("GET", "/users//", "a", (), id="trailing-slashes"),
        row("GET", "/users/ann", "b", ("ann",), id="tag"),
        row("GET", "/users/me", "c", (), id="text-before-tag"),
        row("PUT", "/users/me", "b", ("me",), id="most-specific-with-the-method"),
        row("DELETE", "/users/7", "d", (7,), id="typed"),
        row("GET", "/users/7", "b", ("7",), id="typed-lacks-the-method"),
        row("GET", "/files/css/a.css", "b", ("css/a.css",), id="rest"),
        row("GET", "/both", "c", (), id="http-of-both"),
        row("WS", "/both", "c", (), id="websocket-of-both"),
        row("WS", "/only/1", "d", ("1",), id="websocket"),
        row("HEAD", "/users/ann", "b", ("ann",), id="head-from-get"),
        row("HEAD", "/head", "b", (), id="head-of-its-own"),
        row("OPTIONS", "/options", "b", (), id="options-of-its-own"),
        row("GET", "/nowhere", "default", (), id="default"),
        row("WS", "/nowhere", "default", (), id="default-websocket"),
        row("OPTIONS", "*", "default", (), id="asterisk"),
        row("GET", "//users", "default", (), id="leading-slashes"),
        row("GET", "/USERS", "default", (), id="case"),
        row("GET", "/users/../users", "default", (), id="dot-segments"),
        row("GET", "/files/../x", "default", (), id="dot-segments-in-rest"),
        row("__init__", "/nowhere", "default", (), id="unknown-method"),
    ],
)
async def test_which_handler(method, path, handler, params):
    answer = await ask(TABLE, method, path)
    assert (answer["handler"], answer["params"]) == (handler, params)


def body_of(answer: Any) -> Any:
    assert answer["headers"]["content-type"] == "application/problem+json"
    return json.loads(answer["body"])


@pytest.mark.parametrize("method", ["POST", "__init__", "get", "GET ", "Ç", "X" * 10_000])
async def test_wrong_method(method):
    answer = await ask(TABLE, method, "/users/ann")
    assert answer["status"] == 405
    assert answer["headers"]["allow"] == "GET, HEAD, OPTIONS, PUT"
    assert body_of(answer) == {"type": "about:blank", "title": "Method Not Allowed", "status": 405}


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        row("/users/7", "DELETE, GET, HEAD, OPTIONS, PUT", id="all-rows-of-the-path"),
        row("/both", "GET, HEAD, OPTIONS", id="http-only"),
        row("/head", "GET, HEAD, OPTIONS", id="head-once"),
    ],
)
async def test_options(path, allow):
    assert await ask(TABLE, "OPTIONS", path) == {"status": 204, "headers": {"allow": allow}}


async def test_allow_names_head_only_with_get():
    assert (await ask([("/", ["PUT"], A)], "HEAD", "/"))["headers"]["allow"] == "OPTIONS, PUT"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
async def test_http_where_all_rows_are_websockets(method):
    answer = await ask(TABLE, method, "/only/1")
    assert body_of(answer) == {"type": "about:blank", "title": "Upgrade Required", "status": 426}
    assert answer["headers"]["upgrade"] == "websocket"
    assert answer["headers"]["connection"] == "upgrade"


async def test_websocket_where_no_row_is_one():
    answer = await ask(TABLE, "WS", "/users")
    assert body_of(answer) == {"type": "about:blank", "title": "Not Found", "status": 404}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/only/1", 426), ("WS", "/users", 404), ("POST", "/users/ann", 405), ("GET", "/u/a/b", 400)])
async def test_answers_are_fresh(method, path, status):
    app = apply_middleware(wrap_routes([*TABLE, ("/u/{x}", ["GET"], A)]))(default)
    first = await app(request(method, path, raw_path=path.replace("a/b", "a%2Fb").encode()))
    first["headers"]["x-seen"] = "1"
    second = await app(request(method, path, raw_path=path.replace("a/b", "a%2Fb").encode()))
    assert (second["status"], second["headers"].get("x-seen")) == (status, None)


async def test_answers_take_nothing_from_the_request():
    assert b"secret" not in (await ask(TABLE, "POST", "/users/secret"))["body"]


# ---- what the request gets


def test_request_gets_route_and_path_params():
    data = {"name": "b", "role": "admin"}
    table = build_table([("/a", [("/{x:int}/{y}/{rest:path}", ("GET", "PUT"), B, data)], {"area": 1})])
    first, second = request("GET", "/a/1/z/c/d"), request("GET", "/a/2/z/c")
    assert routes_request(first, table) is B is routes_request(second, table)
    assert first["path_params"] == {"x": 1, "y": "z", "rest": "c/d"}
    assert list(first["path_params"]) == ["x", "y", "rest"]
    assert first["route"] == {"path": "/a/{x:int}/{y}/{rest:path}", "methods": ("GET", "PUT"), "name": "b", "data": {"area": 1, **data}}
    assert first["route"] is second["route"]


@pytest.mark.parametrize(
    ("path", "values"), [("/", {}), ("/{x}", {"x": "1"}), ("/{x}/{y}", {"x": "1", "y": "2"}), ("/{x}/{y}/{z}", {"x": "1", "y": "2", "z": "3"})]
)
def test_path_params_are_fresh(path, values):
    table = build_table([(path, ["GET"], A)])
    requests = [request("GET", "/" + "/".join(values.values())) for _ in range(2)]
    for asked in requests:
        routes_request(asked, table)
        assert asked["path_params"] == values
        assert asked["route"]["name"] is None
    requests[0]["path_params"]["more"] = 1
    assert "more" not in requests[1]["path_params"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("POST", "/users"), ("WS", "/users"), ("GET", "/only/1")])
def test_nothing_is_added_where_no_row_matches(method, path):
    asked = request(method, path)
    routes_request(asked, build_table(TABLE))
    assert asked == request(method, path)


async def test_middlewares_inside_see_the_real_handler_and_the_route():
    seen = []

    def look(next_middleware):
        async def x(handler, request):
            seen.append((handler, request.get("route", {}).get("path")))
            return await next_middleware(handler, request)

        return x

    await ask(TABLE, "GET", "/", look)
    await ask(TABLE, "GET", "/nowhere", look)
    answer = await ask(TABLE, "POST", "/", look)
    assert seen[:2] == [(A, "/"), (default, None)]
    assert seen[2][1] is None
    assert await seen[2][0](request("POST", "/")) == answer


async def test_of_two_tables_the_inner_one_decides_where_it_knows_the_path():
    app = apply_middleware(wrap_routes([("/{x}", ["GET"], A), ("/both", ["GET"], B)]), wrap_routes([("/both", ["GET", "PUT"], C)]))(default)
    assert [(await app(request(method, path)))["handler"] for method, path in [("GET", "/x"), ("GET", "/both"), ("PUT", "/both"), ("GET", "/")]] == [
        "a",
        "c",
        "c",
        "default",
    ]
    inner_refuses = await app(request("DELETE", "/both"))
    assert inner_refuses["headers"]["allow"] == "GET, HEAD, OPTIONS, PUT"


async def test_plain_functions_run_in_a_thread():
    def where(request, x):
        return {"status": 200, "thread": threading.current_thread(), "x": x}

    answer = await ask([("/{x:int}", ["GET"], where)], "GET", "/5")
    assert answer["x"] == 5
    assert answer["thread"] is not threading.current_thread()


async def test_a_handler_may_be_an_empty_collection():
    class Own(list):
        async def __call__(self, request):
            return {"status": 200}

    assert await ask([("/", ["GET"], Own())], "GET", "/") == {"status": 200}


def test_a_composed_pile_is_a_handler():
    inner = apply_middleware(wrap_routes([("/a", ["GET"], A)]))(default)
    answer = asyncio.run(ask([("/a", ["GET"], inner)], "GET", "/a"))
    assert answer["handler"] == "a"


async def test_a_websocket_answers_with_its_conversation():
    answer = await ask([("/rooms/{name}", ["WS"], room)], "WS", "/rooms/lobby")
    assert (answer["status"], answer["websocket"]["params"]) == (101, ("lobby",))


def test_spec():
    routes = [("/", ["GET"], A)]
    app = apply_middleware(wrap_routes(routes, encoded_slash="decode"))(default)
    assert app.spec == [{"name": "wrap_routes", "options": {"routes": routes, "converters": None, "encoded_slash": "decode"}}]


# ---- middlewares of a row


def marking(mark: str, order: list[str]) -> Any:
    def middleware(next_middleware):
        async def x(handler, request):
            order.append(mark)
            response = await next_middleware(handler, request)
            return {**response, "marks": (mark, *response.get("marks", ()))}

        return x

    return middleware


async def test_middlewares_of_a_row_run_innermost_and_outer_prefix_first():
    order: list[str] = []
    one, two, three, four = (marking(mark, order) for mark in ("one", "two", "three", "four"))
    rows = [("/b", [("/{x:int}", ["GET"], A, {"middlewares": [three]}), ("/plain", ["GET"], B)], {"middlewares": (two,)})]
    routes = [("/a", rows, {"middlewares": [one]}), ("/c", ["GET"], C)]
    answer = await ask(routes, "GET", "/a/b/7", four)
    assert (answer["params"], answer["marks"]) == ((7,), ("four", "one", "two", "three"))
    assert order == ["four", "one", "two", "three"]
    assert (await ask(routes, "GET", "/a/b/plain"))["marks"] == ("one", "two")
    assert "marks" not in await ask(routes, "GET", "/c")


def test_middlewares_of_a_row_are_composed_once_and_leave_the_handler_visible():
    built = []

    def middleware(next_middleware):
        built.append(next_middleware)
        return next_middleware

    table = build_table([("/", ["GET"], room_like := named("real"), {"middlewares": [middleware]})])
    handlers = [routes_request(request("GET", "/"), table) for _ in range(2)]
    assert len(built) == 1
    assert handlers[0] is handlers[1]
    assert handlers[0].__wrapped__ is room_like
    assert handlers[0].__qualname__ == "real"


async def test_middlewares_of_a_websocket_row():
    order: list[str] = []
    routes = [("/{name}", ["WS"], room, {"middlewares": [marking("one", order)]})]
    answer = await ask(routes, "WS", "/lobby")
    assert (answer["status"], answer["marks"], answer["websocket"]["params"]) == (101, ("one",), ("lobby",))


# ---- encoded slashes (threat B4)


TAGGED = [
    ("/u/{x}", ["GET"], A),
    ("/u/{x}/{y}", ["PUT"], B),
    ("/files/{rest:path}", ["GET"], B),
    ("/repos/{owner}/{rest:path}", ["GET"], C),
    ("/text/a", ["GET"], D),
    ("/n/{x:int}", ["GET"], A),
]


@pytest.mark.parametrize(
    ("method", "raw", "status", "params"),
    [
        row("GET", "/u/a%2Fb", 400, None, id="would-be-one-value"),
        row("GET", "/u/a%2fb", 400, None, id="lower-case"),
        row("GET", "/u/a%2F", 400, None, id="at-the-end"),
        row("GET", "/u/%2Fa", 400, None, id="at-the-start"),
        row("PUT", "/u/a%2Fb", 400, None, id="became-two-values"),
        row("GET", "/u%2Fa", 400, None, id="before-the-tag"),
        row("GET", "/u/a%252Fb", 200, ("a%2Fb",), id="encoded-twice"),
        row("GET", "/u/a%20b", 200, ("a b",), id="other-escapes"),
        row("GET", "/u/%C3%A9", 200, ("é",), id="utf-8"),
        row("GET", "/files/a%2Fb", 200, ("a/b",), id="rest-may-hold-slashes"),
        row("GET", "/files/a%2Fb/", 200, ("a/b",), id="rest-with-trailing-slash"),
        row("GET", "/repos/o/a%2Fb%C3%A9", 200, ("o", "a/bé"), id="in-the-rest"),
        row("GET", "/repos/o%2Fa/b", 400, None, id="before-the-rest"),
        row("GET", "/text%2Fa", 200, (), id="text-is-text"),
        row("GET", "/n/1%2F2", 404, (), id="matches-neither-way"),
        row("GET", "/nowhere/a%2Fb", 404, (), id="no-row"),
    ],
)
@pytest.mark.parametrize("root", ["", "/root"])
async def test_encoded_slash(method, raw, status, params, root):
    app = apply_middleware(wrap_routes(TAGGED))(default)
    answer = await app(request(method, unquote(raw), raw_path=(root + raw).encode()))
    assert answer["status"] == status
    if params is None:
        assert body_of(answer) == {"type": "about:blank", "title": "Bad Request", "status": 400}
    else:
        assert answer["params"] == params


@pytest.mark.parametrize("keys", [{"raw_path": b"/u/a%2Fb"}, {"raw_path": None}, {}], ids=["raw", "none", "absent"])
async def test_encoded_slash_decoded(keys):
    app = apply_middleware(wrap_routes(TAGGED, encoded_slash="decode"))(default)
    assert (await app(request("PUT", "/u/a/b", **keys)))["params"] == ("a", "b")


async def test_the_pure_half_rejects_too():
    refused = request("GET", "/u/a/b", raw_path=b"/u/a%2Fb")
    assert (await routes_request(refused, build_table(TAGGED))(refused))["status"] == 400
    assert "route" not in refused


async def test_without_raw_path_there_is_nothing_to_compare():
    app = apply_middleware(wrap_routes(TAGGED))(default)
    assert (await app(request("PUT", "/u/a/b", raw_path=None)))["params"] == ("a", "b")


# ---- own converters


def parse_hex(text: str) -> int:
    return int(text, 16)


async def test_own_converter():
    routes = [("/{color:hex}", ["GET"], A), ("/{name}", ["GET"], B, {"name": "b"})]
    assert [(await ask(routes, "GET", path, converters={"hex": parse_hex}))["params"] for path in ("/ff", "/xy")] == [(255,), ("xy",)]


# ---- mistakes found at start


class Callable_:
    def __call__(self, request): ...


async def takes_one(request, x): ...


async def takes_more(request, *values): ...


async def needs_keyword(request, *, x): ...


async def undecorated(scope, receiver):
    yield


@websocket
async def takes_nothing(scope, receiver):
    yield {}


def generator(request):
    yield


async def an_answer(request): ...


called = an_answer({})
called.close()  # it stands in a table all the same


@pytest.mark.parametrize(
    ("routes", "options", "error", "complaint"),
    [
        row(
            [("/", ["GET"], A), ("/", ["GET"], B)],
            {},
            ValueError,
            "routes: both rows match the same GET requests\n    ('/', ['GET'], a)\n    ('/', ['GET'], b)",
            id="conflict",
        ),
        row([("/{x:hex}", ["GET"], A)], {}, ValueError, "no converter is named 'hex' ({x:hex}); there are int, uuid, float, str, path", id="unknown-converter"),
        row([("/{x:hex}", ["GET"], A)], {"converters": {"own": int}}, ValueError, "there are own, int, uuid, float, str, path", id="unknown-among-own"),
        row([], {"converters": {"int": int}}, ValueError, "wrap_routes: the converter 'int' is built in; give yours another name", id="built-in"),
        row(
            [],
            {"converters": {"own": 1}},
            TypeError,
            "wrap_routes: the converter 'own' must be a function of the segment's text, not 1",
            id="converter-no-function",
        ),
        row([], {"encoded_slash": "keep"}, ValueError, "wrap_routes: encoded_slash is 'reject' or 'decode', not 'keep'", id="encoded-slash"),
        row(
            [("/", ["GET"], called)],
            {},
            TypeError,
            "routes: a handler is a function of the request; here it was called already: leave out the parentheses\n    ('/', ['GET'], an_answer)",
            id="called",
        ),
        row([("/", ["GET"], 1)], {}, TypeError, "routes: a handler is a function of the request\n    ('/', ['GET'], 1)", id="no-function"),
        row([("/", ["GET"], generator)], {}, TypeError, "a handler returns a response, and this one is a generator function", id="generator"),
        row(
            [("/", ["GET"], takes_one)],
            {},
            TypeError,
            "routes: the handler is called with (request): missing a required argument: 'x'\n    ('/', ['GET'], takes_one)",
            id="too-few",
        ),
        row(
            [("/{a}/{b:int}", ["GET"], takes_one)],
            {},
            TypeError,
            "routes: the handler is called with (request, a, b): too many positional arguments\n    ('/{a}/{b:int}', ['GET'], takes_one)",
            id="too-many",
        ),
        row([("/", ["WS"], undecorated)], {}, TypeError, "a conversation is decorated with @websocket\n    ('/', ['WS'], undecorated)", id="not-decorated"),
        row([("/{a}", ["GET"], needs_keyword)], {}, TypeError, "the handler is called with (request, a): too many positional arguments", id="keyword-only"),
        row([("/{a}", ["GET"], Callable_())], {}, TypeError, "the handler is called with (request, a): too many positional arguments", id="object"),
        row([("/{a}", ["WS"], takes_nothing)], {}, TypeError, "the handler is called with (scope, receiver, a): too many positional arguments", id="websocket"),
        row([("/", ["WS"], room)], {}, TypeError, "the handler is called with (scope, receiver): missing a required argument: 'name'", id="websocket-too-few"),
        row(
            [("/", ["GET"], takes_nothing)], {}, ValueError, "routes: a @websocket handler needs the method 'WS'\n    ('/', ['GET'], takes_nothing)", id="no-ws"
        ),
        row([("/", ["GET"], A, {"limits": {"idle": 1}})], {}, ValueError, "routes: ('/', ['GET'], a): no limit is named 'idle'", id="limit-unknown"),
        row([("/", ["GET"], A, {"limits": {"body_s": 1}})], {}, ValueError, "limit 'body_s' holds for the whole app", id="limit-of-the-app"),
        row([("/", ["GET"], A, {"limits": {"idle_s": "1"}})], {}, TypeError, "limit 'idle_s' must be a number of seconds", id="limit-type"),
        row([("/", ["GET"], A, {"middlewares": [1]})], {}, TypeError, "apply_middleware: expected a middleware, got 1", id="middleware"),
    ],
)
def test_mistakes_at_start(routes, options, error, complaint):
    with pytest.raises(error) as raised:
        wrap_routes(routes, **options)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("path", "methods", "handler"),
    [
        row("/{a}/{b}", ["GET"], takes_more, id="any-number"),
        row("/", ["GET"], Callable_(), id="object"),
        row("/{name}", ["WS", "GET"], room, id="websocket-and-events"),
        row("/", ["WS"], A, id="websocket-by-hand"),
        row("/", ["GET"], type, id="no-signature"),
    ],
)
def test_what_is_no_mistake(path, methods, handler):
    assert wrap_routes([(path, methods, handler)])


# ---- url_for


NAMED = [
    ("/fruits", [("/", ["GET"], A, {"name": "fruits"}), ("/{kind}", [("/{number:int}", ["GET"], B, {"name": "fruit"})]), ("/plain", ["GET"], C)]),
    ("/files/{rest:path}", ["GET"], A, {"name": "file"}),
    ("/rooms/{name}", ["WS"], room, {"name": "room"}),
    ("/{color:hex}", ["GET"], A, {"name": "color"}),
    ("/{routes}", ["PUT"], A, {"name": "odd"}),
]


@pytest.mark.parametrize(
    ("name", "params", "path"),
    [
        row("fruits", {}, "/fruits", id="text"),
        row("fruit", {"kind": "crème", "number": 7}, "/fruits/cr%C3%A8me/7", id="nested"),
        row("file", {"rest": "a/b c"}, "/files/a/b%20c", id="rest"),
        row("room", {"name": "lobby"}, "/rooms/lobby", id="websocket-and-a-tag-called-name"),
        row("color", {"color": "ff"}, "/ff", id="own-converter"),
        row("odd", {"routes": "x"}, "/x", id="a-tag-called-routes"),
    ],
)
def test_url_for(name, params, path):
    assert url_for(NAMED, name, **params) == path


@pytest.mark.parametrize(
    ("name", "params", "error", "complaint"),
    [
        row("nope", {}, LookupError, "url_for: no route is named 'nope'; there are color, file, fruit, fruits, odd, room", id="name"),
        row("fruit", {"kind": "x", "id": 1}, TypeError, "url_for: 'fruit': /fruits/{kind}/{number:int}: missing number; unknown id", id="names"),
        row("fruit", {"kind": "x", "number": "y"}, ValueError, "url_for: 'fruit': 'y' does not fit {number:int}: not 1 to 19 ASCII digits: 'y'", id="value"),
    ],
)
def test_url_for_refuses(name, params, error, complaint):
    with pytest.raises(error) as raised:
        url_for(NAMED, name, **params)
    assert str(raised.value) == complaint


def test_url_for_without_names():
    with pytest.raises(LookupError, match="no route is named 'x'; there are none"):
        url_for([("/", ["GET"], A)], "x")


SEGMENTS = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\ufffd"), min_size=1).filter(lambda text: text not in (".", ".."))


@given(x=SEGMENTS, n=st.integers(0, 10**19 - 1), rest=st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join), spelling=st.sampled_from(["", "/", "//"]))
def test_what_url_for_builds_is_matched_with_the_same_values(x, n, rest, spelling):
    routes = [("/a/{x}", [("/{n:int}/{rest:path}", ["GET"], A, {"name": "row"})])]
    raw = url_for(routes, "row", x=x, n=n, rest=rest)
    assert raw == quote(unquote(raw))
    asked = request("GET", unquote(raw) + spelling, raw_path=(raw + spelling).encode())
    assert routes_request(asked, build_table(routes)) is A
    assert asked["path_params"] == {"x": x, "n": n, "rest": rest}


FOUND = named("found")


@pytest.mark.parametrize(
    ("routes", "path", "status"),
    [
        ([("/a.b", ["GET"], FOUND)], "/a.b", 200),
        ([("/a.b", ["GET"], FOUND)], "/axb", 404),
        ([("/a+(b|c)*", ["GET"], FOUND)], "/aab", 404),
        ([("/{a}/{b}", ["GET"], FOUND)], "/" * 10_000, 404),
        ([("/{a}/{b}", ["GET"], FOUND)], "/a" * 5_000, 404),
        ([("/{a}/{b:path}", ["GET"], FOUND)], "/a" * 5_000, 200),
        ([(f"/{number}/{{a}}/{number}", ["GET"], FOUND) for number in range(1000)], "/999/x/999", 200),
    ],
    ids=["text", "a dot is a dot", "no pattern", "slashes", "segments", "the rest", "a thousand rows"],
)
async def test_B6_paths_are_no_patterns(routes: Any, path: str, status: int) -> None:
    async def not_found(request: Any) -> Any:
        return {"status": 404}

    pile = apply_middleware(wrap_routes(routes))(not_found)
    began = time.process_time()
    for _ in range(10):
        assert (await pile({"type": "http", "method": "GET", "path": path}))["status"] == status
    assert time.process_time() - began < 0.2
