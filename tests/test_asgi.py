"""shallot.asgi: what a handler is given, and what it is spared."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shallot.asgi import SINGLE, HttpCourse, refused_request, request_reader
from shallot.errors import BadRequest, HeadersTooLarge, UriTooLong
from shallot.limits import default_limits

HOST = (b"host", b"localhost")
CONFIG = {"db": 1}


async def run_in_thread(function, *args):
    raise NotImplementedError


def scope_of(*headers, **keys):
    return {"type": "http", "http_version": "1.1", "method": "GET", "path": "/", "query_string": b"", "headers": [HOST, *headers], **keys}


def read(scope, **limits):
    return request_reader({**default_limits(), **limits}, run_in_thread)(scope, CONFIG)


def test_a_request_is_the_scope_and_our_keys():
    scope = scope_of((b"Accept", b"a/b"), (b"cookie", b"a=1"), (b"accept", b"c/d"), (b"cookie", b"b=2"), (b"x-\xc9", b"\xff"), state={"n": 1}, client=("a", 1))
    before = {**scope, "headers": list(scope["headers"])}
    request, may_have_body = read(scope)
    assert request == {
        **scope,
        "headers": {"host": "localhost", "accept": "a/b,c/d", "cookie": "a=1; b=2", "x-é": "ÿ"},
        "headers_list": scope["headers"],
        "body": b"",
        "config": CONFIG,
        "run_in_thread": run_in_thread,
    }
    assert request["state"] is scope["state"]
    assert request["config"] is CONFIG
    assert may_have_body is False
    assert scope == before


def test_optional_keys_may_be_missing():
    request, _ = read({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []})
    assert request["headers"] == {}


def test_headers_may_be_any_iterable():
    request, _ = read(scope_of(headers=iter([[b"host", b"a"], [b"x", b"y"]])))
    assert (request["headers"], request["headers_list"]) == ({"host": "a", "x": "y"}, [[b"host", b"a"], [b"x", b"y"]])


def test_a_websocket_has_the_method_ws():
    request, _ = read({key: value for key, value in scope_of(type="websocket").items() if key != "method"})
    assert (request["type"], request["method"], request["body"]) == ("websocket", "WS", b"")


def test_the_keys_of_an_outer_router_are_dropped():
    for key in ("path_params", "route"):
        assert key not in read(scope_of(**{key: {"a": "b"}}))[0]
    assert not {"path_params", "route"} & read(scope_of(path_params={}, route=None))[0].keys()


# ---- limits


@pytest.mark.parametrize(
    ("limits", "scope", "error"),
    [
        ({"header_lines": 3}, scope_of((b"a", b"b"), (b"a", b"b"), (b"a", b"b")), HeadersTooLarge),
        ({"header_bytes": 20}, scope_of((b"a", b"12345678")), HeadersTooLarge),
        ({"header_bytes": 20}, scope_of((b"12345678", b"a")), HeadersTooLarge),
        ({"query_bytes": 10}, scope_of(query_string=b"12345678901"), UriTooLong),
    ],
    ids=["lines", "bytes of values", "bytes of names", "query"],
)
def test_one_more_than_the_bound_is_refused(limits, scope, error):
    with pytest.raises(error, match=str(*limits.values())):
        read(scope, **limits)


@pytest.mark.parametrize(
    ("limits", "scope"),
    [
        ({"header_lines": 3}, scope_of((b"a", b"b"), (b"a", b"b"))),
        ({"header_bytes": 20}, scope_of((b"a", b"123456"))),
        ({"query_bytes": 10}, scope_of(query_string=b"1234567890")),
    ],
    ids=["lines", "bytes", "query"],
)
def test_the_bound_itself_is_not(limits, scope):
    assert read(scope, **limits)


def test_a_flood_is_refused_at_once():
    scope = scope_of(*[(b"a", b"b" * 100)] * 10_000)
    began = time.perf_counter()
    with pytest.raises(HeadersTooLarge):
        read(scope)
    assert time.perf_counter() - began < 0.05


# ---- host


@pytest.mark.parametrize("value", ["localhost/health?", "a@b", "a b", "a,b", "[::1", "a:99999", "", "ü"])
def test_a_malformed_host_is_refused(value):
    with pytest.raises(BadRequest, match="malformed host"):
        read(scope_of(headers=[(b"host", value.encode("latin-1"))]))


@pytest.mark.parametrize("value", [b"[::1]:80", b"a.b:8000"])
def test_a_good_host_passes_again_and_again(value):
    reader = request_reader(default_limits(), run_in_thread)
    for _ in range(3):
        assert reader(scope_of(headers=[(b"host", value)]), CONFIG)[0]["headers"]["host"] == value.decode()


def test_many_hosts_change_nothing():
    reader = request_reader(default_limits(), run_in_thread)
    for number in range(300):
        assert reader(scope_of(headers=[(b"host", b"h%d" % number)]), CONFIG)[0]["headers"]["host"] == f"h{number}"
    with pytest.raises(BadRequest):
        reader(scope_of(headers=[(b"host", b"a/b")]), CONFIG)


@pytest.mark.parametrize(
    ("version", "headers", "passes"),
    [
        ("1.1", [], False),
        ("1.0", [], True),
        ("2", [], True),
        ("1.0", [(b"host", b"")], True),
        ("1", [(b"host", b"")], True),
        ("1.1", [(b"host", b"")], False),
        ("2", [(b"host", b"")], False),
    ],
)
def test_a_host_may_be_missing_where_the_version_lets_it(version, headers, passes):
    scope = scope_of(http_version=version, headers=headers)
    if passes:
        assert read(scope)
    else:
        with pytest.raises(BadRequest, match="host"):
            read(scope)


# ---- repeated and contradicting headers


@pytest.mark.parametrize("name", sorted(SINGLE))
def test_a_header_that_stands_once_may_not_be_repeated(name):
    with pytest.raises(BadRequest, match=f"^more than one {name} header$"):
        read(scope_of((name.encode(), b"1"), (name.title().encode(), b"1")))


@pytest.mark.parametrize("name", [b"accept", b"cookie", b"x-forwarded-for", b"transfer-encoding"])
def test_others_may(name):
    assert read(scope_of((name, b"a"), (name, b"b")))


def test_the_names_that_are_remembered_are_few_and_short():
    reader = request_reader(default_limits(), run_in_thread)
    for number in range(1200):
        reader(scope_of((b"x-%d" % number, b"1"), (b"x" * 65, b"2")), {})
    (names,) = (cell.cell_contents for cell in reader.__closure__ if isinstance(cell.cell_contents, dict))
    assert len(names) == 1024 and b"x" * 65 not in names
    request, _ = reader(scope_of((b"X-New", b"1"), (b"x" * 65, b"2")), {})
    assert request["headers"] == {"host": "localhost", "x-new": "1", "x" * 65: "2"}


def test_underscore_and_hyphen_are_two_names():
    assert read(scope_of((b"x_user", b"a"), (b"x-user", b"b")))[0]["headers"] == {"host": "localhost", "x_user": "a", "x-user": "b"}


def test_two_ways_to_frame_a_body_are_refused():
    with pytest.raises(BadRequest, match="both content-length and transfer-encoding"):
        read(scope_of((b"content-length", b"5"), (b"transfer-encoding", b"chunked")))


@pytest.mark.parametrize(
    ("headers", "version", "expected"),
    [
        ([], "1.1", False),
        ([], "1.0", False),
        ([], "1", False),
        ([(b"content-length", b"0")], "1.1", True),
        ([(b"transfer-encoding", b"chunked")], "1.1", True),
        ([], "2", True),
        ([], "3", True),
        ([], None, True),
    ],
)
def test_whether_there_may_be_a_body(headers, version, expected):
    assert read(scope_of(*headers, http_version=version))[1] is expected


# ---- method and path


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "M-SEARCH", "QUERY", "VERSION-CONTROL"])
def test_methods(method):
    assert read(scope_of(method=method))[0]["method"] == method


@pytest.mark.parametrize("method", ["get", "__init__", "GET ", "\xc7", "", "WS", "G" * 10_000])
def test_no_methods(method):
    with pytest.raises(BadRequest, match="not an upper-case token"):
        read(scope_of(method=method))


@pytest.mark.parametrize("path", ["/", "//", "/a/../b", "/a\\b", "/ä/\u4e2d/\U0001f469\u200d\U0001f4bb", "/a\u00a0b", "/%2F", "/a?b"])
def test_paths(path):
    assert read(scope_of(path=path))[0]["path"] == path


@pytest.mark.parametrize("path", ["", "@google.com", "http://evil/x", "a", "*"])
def test_paths_that_do_not_begin_with_a_slash(path):
    with pytest.raises(BadRequest, match="slash"):
        read(scope_of(path=path))


@pytest.mark.parametrize("path", ["/a\x00b", "/a\r\nb", "/\ufffd", "/a\x7f", "/\x85", "/\udcff", "/ä\n"])
def test_paths_that_hold_what_no_path_may(path):
    with pytest.raises(BadRequest, match="control characters or is not UTF-8"):
        read(scope_of(path=path))


def test_options_may_ask_about_the_server():
    assert read(scope_of(method="OPTIONS", path="*"))[0]["path"] == "*"
    with pytest.raises(BadRequest):
        read(scope_of(type="websocket", path="*"))


# ---- whatever comes


LEGAL = some.tuples(
    some.sampled_from([b"a", b"X-B", b"x_c", b"cookie", b"Accept", b"x-\xc9"]), some.text(some.characters(min_codepoint=32, max_codepoint=126)).map(str.encode)
)
ANY = some.tuples(some.binary(max_size=20), some.binary(max_size=20))


@given(some.lists(LEGAL, max_size=20) | some.lists(LEGAL | ANY, max_size=20), some.text(max_size=9).map("/".__add__) | some.text(), some.binary(max_size=30))
def test_whatever_comes_is_a_request_or_refused(headers, path, query):
    try:
        request, _ = read(scope_of(*headers, path=path, query_string=query))
    except BadRequest:
        return
    assert request["path"].startswith("/")
    assert set(request["headers"]) == {name.decode("latin-1").lower() for name, _ in request["headers_list"]}
    assert all(isinstance(value, str) for value in request["headers"].values())


def test_joining_repeats_is_linear():
    def seconds(count):
        scope, reader = scope_of(*[(b"a", b"b")] * count), request_reader({**default_limits(), "header_lines": 10_000}, run_in_thread)
        return min(_timed(reader, scope) for _ in range(20))

    assert seconds(4000) / seconds(1000) < 12


def _timed(reader, scope):
    began = time.perf_counter()
    reader(scope, CONFIG)
    return time.perf_counter() - began


# ---- what was refused


@pytest.mark.parametrize(("type", "method"), [("http", "pOsT"), ("websocket", "WS")])
def test_of_a_refused_request_all_is_told_and_nothing_checked(type, method):
    scope = scope_of((b"Host", b"\xff"), type=type, method="pOsT", path="\0")
    assert refused_request(scope) == {**scope, "method": method, "headers": {"host": "localhost,\xff"}}
    assert refused_request(scope_of(headers=iter([[b"a", b"b"]])))["headers"] == {"a": "b"}


@pytest.mark.parametrize("request_", [None, {}], ids=["no request yet", "a request"])
def test_a_request_whose_time_is_up_is_overdue(request_):
    course = HttpCourse()
    course.request = request_
    course.late()
    assert request_ in (None, {"overdue": True})


async def test_a_course_keeps_what_the_handler_answers():
    async def handler(request):
        return {"status": request}

    course = HttpCourse()
    course.request = 204
    await course.answer(handler)
    assert course.response == {"status": 204}
