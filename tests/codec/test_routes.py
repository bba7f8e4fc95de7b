"""shallot.codec.routes: nested rows -> flat rows, and every mistake that the rows alone show."""

from __future__ import annotations

import pytest

from shallot.codec.paths import Tag
from shallot.codec.routes import check_seen, read_routes, rows_of, show_row, unseen_rows, walk_routes


async def show(request): ...


async def other(request): ...


def row(*values: object, id: str) -> object:
    return pytest.param(*values, id=id)


def flat(routes: object) -> object:
    return [(read.path, read.methods, read.handler, read.data) for read in read_routes(routes)]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        row([], [], id="none"),
        row([("/a", ["GET"], show)], [("/a", ("GET",), show, {})], id="three"),
        row([("/a/", ("GET", "PUT"), show, {"name": "a"})], [("/a", ("GET", "PUT"), show, {"name": "a"})], id="four"),
        row([["/", {"WS"}, show]], [("/", ("WS",), show, {})], id="lists-and-sets"),
        row([("/a", [("/", ["GET"], show), ("/b", ["GET"], other)])], [("/a", ("GET",), show, {}), ("/a/b", ("GET",), other, {})], id="nested"),
        row([("/", [("/", [("/", ["GET"], show)])])], [("/", ("GET",), show, {})], id="slashes"),
        row([("/a/", [("/{x}/", [("/c/", ["GET"], show)])])], [("/a/{x}/c", ("GET",), show, {})], id="deep"),
        row([("/a", [], {"x": 1})], [], id="empty-prefix"),
        row([("/a", ["M-SEARCH"], show)], [("/a", ("M-SEARCH",), show, {})], id="any-token"),
    ],
)
def test_read_routes(routes, expected):
    assert flat(routes) == expected


def test_data_is_merged_downwards():
    routes = [("/a", [("/b", [("/c", ["GET"], show, {"x": 3, "name": "c"})], {"x": 2, "y": 2}), ("/d", ["GET"], other)], {"x": 1, "z": 1})]
    assert [read.data for read in read_routes(routes)] == [{"x": 3, "y": 2, "z": 1, "name": "c"}, {"x": 1, "z": 1}]


def test_middlewares_are_joined_and_limits_merged():
    inner = {"middlewares": ("two",), "limits": {"idle_s": 2, "send_s": 2}}
    outer = {"middlewares": ["one"], "limits": {"idle_s": 1, "linger_s": 1}}
    [read] = read_routes([("/a", [("/b", ["GET"], show, inner)], outer)])
    assert read.data == {"middlewares": ["one", "two"], "limits": {"idle_s": 2, "send_s": 2, "linger_s": 1}}
    assert outer == {"middlewares": ["one"], "limits": {"idle_s": 1, "linger_s": 1}}


def test_own_converters_by_name():
    [read] = read_routes([("/{x:hex}", ["GET"], show)], ["hex"])
    assert read.pattern == (Tag("x", "hex"),)


def test_walk_keeps_what_was_written():
    written = ("/b/", ["GET"], show)
    assert list(walk_routes([("/a", [written], {"x": 1})])) == [("/a/b/", written, ({"x": 1},))]


SHOW, OTHER = "\n    ('/a', ['GET'], show)", "\n    ('/a', ['GET'], other)"


@pytest.mark.parametrize(
    ("routes", "error", "complaint"),
    [
        row([1], TypeError, "a row is (path, methods, handler), (path, methods, handler, data), (prefix, rows) or (prefix, rows, data)\n    1", id="no-row"),
        row(("/a", ["GET"], show), TypeError, "a row is (path, methods, handler)", id="row-instead-of-rows"),
        row([("/a",)], TypeError, "a row is (path, methods, handler)", id="too-short"),
        row([("/a", ["GET"], show, {}, 1)], TypeError, "a row is (path, methods, handler)", id="too-long"),
        row(
            [("/a", ["GET"])],
            TypeError,
            "a row is (path, methods, handler), (path, methods, handler, data), (prefix, rows) or (prefix, rows, data); "
            "here the handler is missing, or is none\n    ('/a', ['GET'])",
            id="no-handler",
        ),
        row([("/a", show)], TypeError, "here the handler is missing, or is none\n    ('/a', <function", id="no-methods"),
        row(
            [("/a", ["GET"], {"status": 200})],
            TypeError,
            "here the handler is missing, or is none\n    ('/a', ['GET'], {'status': 200})",
            id="handler-was-called",
        ),
        row([(1, ["GET"], show)], ValueError, "a path is a str that begins with '/'\n    (1, ['GET'], ", id="path-no-str"),
        row([("a", ["GET"], show)], ValueError, "a path is a str that begins with '/'\n    ('a', ['GET'], ", id="path-no-slash"),
        row([("/a", [("b", ["GET"], show)])], ValueError, "a path is a str that begins with '/'\n    ('b', ['GET'], ", id="nested-no-slash"),
        row([("", [("/b", ["GET"], show)])], ValueError, "a path is a str that begins with '/'\n    ('', [('/b', ", id="prefix-empty"),
        row([("/a", [], {"name": "a"})], ValueError, "a name belongs to one row, not to a prefix\n    ('/a', [], {'name': 'a'})", id="prefix-name"),
        row(
            [("/a{b}", ["GET"], show)],
            ValueError,
            "a tag is one whole segment, '{name}' or '{name:converter}', not 'a{b}'\n    ('/a{b}', ['GET'], show)",
            id="path",
        ),
        row([("/{x}", [("/{x}", ["GET"], show)])], ValueError, "the tag 'x' stands twice in '/{x}/{x}'", id="twice-by-nesting"),
        row([("/a", "GET", show)], TypeError, "methods are a list: write ['GET']\n    ('/a', 'GET', show)", id="bare-method"),
        row([("/a", b"GET", show)], TypeError, "methods are a list: write [b'GET']", id="bytes-method"),
        row([("/a", None, show)], TypeError, "methods are a list: write [None]", id="none-method"),
        row([("/a", [], show)], ValueError, "a row needs at least one method\n    ('/a', [], show)", id="no-methods"),
        row(
            [("/a", ["get"], show)],
            ValueError,
            "'get' is no method; they are upper case, 'GET', and 'WS' is a WebSocket\n    ('/a', ['get'], show)",
            id="lower-case",
        ),
        row([("/a", ["GET", 1], show)], ValueError, "1 is no method", id="method-no-str"),
        row([("/a", ["GET "], show)], ValueError, "'GET ' is no method", id="method-space"),
        row([("/a", [""], show)], ValueError, "'' is no method", id="method-empty"),
        row([("/a", ["WEBSOCKET"], show)], ValueError, "'WEBSOCKET' is no method; they are upper case, 'GET', and 'WS' is a WebSocket", id="websocket"),
        row([("/a", ["GET"], show, 1)], TypeError, "a row's data is a dict, not 1" + SHOW, id="data"),
        row([("/a", ["GET"], show, {"name": 1})], TypeError, "a name is a str, not 1" + SHOW, id="name"),
        row([("/a", ["GET"], show, {"middlewares": show})], TypeError, "middlewares are a list, not <function show", id="middlewares"),
        row(
            [("/a", [("/", ["GET"], show)], {"middleware": []})],
            ValueError,
            "the data has 'middleware', which nobody reads; write 'middlewares'\n    ('/a/', ['GET'], show)",
            id="middleware",
        ),
        row([("/a", ["GET"], show, {"limits": 1})], TypeError, "limits are a dict, not 1" + SHOW, id="limits"),
        row([("/a", ["GET"], show), ("/a", ["GET"], other)], ValueError, "both rows match the same GET requests" + SHOW + OTHER, id="duplicate"),
        row([("/a", ["GET"], show), ("/a/", ["PUT", "GET"], other)], ValueError, "both rows match the same GET requests" + SHOW, id="overlap"),
        row([("/{x}", ["WS"], show), ("/{y}", ["WS"], other)], ValueError, "\n    ('/{x}', ['WS'], show)\n    ('/{y}', ['WS'], other)", id="other-tag-names"),
        row(
            [("/a", [("/", ["GET"], show)]), ("/a", ["GET"], other)],
            ValueError,
            "both rows match the same GET requests" + SHOW + OTHER,
            id="duplicate-by-nesting",
        ),
        row(
            [("/a", ["GET"], show, {"name": "a"}), ("/b", ["GET"], other, {"name": "a"})],
            ValueError,
            "both rows have the name 'a'" + SHOW + "\n    ('/b', ['GET'], other)",
            id="duplicate-name",
        ),
    ],
)
def test_mistakes(routes, error, complaint):
    with pytest.raises(error) as raised:
        read_routes(routes)
    assert str(raised.value).startswith("routes: ")
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    "routes",
    [
        row([("/a", ["GET"], show), ("/a", ["PUT"], other)], id="other-methods"),
        row([("/{x}", ["GET"], show), ("/{x:int}", ["GET"], other)], id="other-converters"),
        row([("/a", ["GET"], show), ("/{x}", ["GET"], other)], id="text-and-tag"),
        row([("/a", ["GET", "GET"], show)], id="a-method-twice"),
        row([("/{x:path}", ["GET"], show), ("/{x}", ["GET"], other)], id="path-and-str"),
    ],
)
def test_what_is_no_conflict(routes):
    assert read_routes(routes)


def test_show_row():
    assert show_row("/a", ["GET"], show) == "\n    ('/a', ['GET'], show)"
    assert show_row("/a", ["GET"], 1) == "\n    ('/a', ['GET'], 1)"


def test_rows_of_what_was_composed():
    tables = [
        {"name": "wrap_cookies", "options": {}},
        {"name": "wrap_routes", "options": {"routes": [("/a", [("/{x:hex}", ["GET"], print)])], "converters": {"hex": int}, "encoded_slash": "reject"}},
        {"name": "wrap_routes", "options": {"routes": [("/b", ["WS"], print)], "converters": None}},
    ]
    assert [(row.path, row.methods) for row in rows_of(tables)] == [("/a/{x:hex}", ("GET",)), ("/b", ("WS",))]


def table(data):
    return {"name": "wrap_routes", "options": {"routes": [("/a", ["GET"], show, data), ("/b", ["GET"], show)]}}


def wrap_own(next_middleware):
    """Is read, never called."""
    return next_middleware


wrap_own.spec = {"name": "wrap_x", "options": {}}
X, Y = {"name": "wrap_x", "options": {}}, {"name": "wrap_y", "options": {}}


@pytest.mark.parametrize(
    ("specs", "paths"),
    [
        pytest.param([table({"x": 1})], ["/a"], id="nobody"),
        pytest.param([X, table({"x": 1}), Y], ["/a"], id="outside, and another"),
        pytest.param([table({"x": 1}), X], [], id="inside"),
        pytest.param([table({"x": 1, "middlewares": [print, wrap_own]})], [], id="the row's own"),
        pytest.param([table({"x": None}), Y], ["/a"], id="None is said"),
        pytest.param([table({}), Y], [], id="nothing is said"),
        pytest.param([table({"x": 1}), X, table({"x": 2})], ["/a"], id="between two tables"),
        pytest.param([X], [], id="no table"),
    ],
)
def test_rows_that_nobody_reads(specs, paths):
    assert [row.path for row in unseen_rows(specs, "wrap_x", "x")] == paths
    if paths:
        with pytest.raises(ValueError, match="^wrap_x: the row '/a' has x, which only a wrap_x inside wrap_routes sees; put it behind$"):
            check_seen(specs, "wrap_x", "y", "x")
    else:
        check_seen(specs, "wrap_x", "y", "x")
