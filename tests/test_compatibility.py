"""Every documented name and behaviour of the earlier package of this name (2.0.0) holds here, and programs of its time run unmodified.

The deviations are listed in SPEC.md: compact UTF-8 JSON, 405 for a wrong method, latin-1 headers, no cut of long streams, 408 for a slow body.
Whole programs of its time are in tests/examples/test_earlier.py.
"""

from __future__ import annotations

import importlib
import os
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

import pytest

from shallot import WSDisconnect, build_server, standard_not_found, websocket
from shallot.middlewares import (
    apply_middleware,
    chain_middleware,
    wrap_content_type,
    wrap_cookies,
    wrap_cors,
    wrap_json,
    wrap_parameters,
    wrap_routes,
    wrap_static,
)
from shallot.response import filestream, json, respond400, respond404, respond_not_modified, text, ws_accept, ws_close, ws_send
from shallot.testing import Denied, client, request

# ---- names

NAMES = {
    "shallot": ["build_server", "websocket", "WSDisconnect", "standard_not_found"],
    "shallot.response": ["text", "json", "respond404", "respond400", "respond_not_modified", "filestream", "ws_send", "ws_close", "ws_accept"],
    "shallot.middlewares": [
        "apply_middleware",
        "chain_middleware",
        "wrap_routes",
        "wrap_json",
        "wrap_parameters",
        "wrap_cookies",
        "wrap_static",
        "wrap_content_type",
        "wrap_cors",
    ],
}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in NAMES.items() for name in names])
def test_a_documented_name_can_be_imported(module, name):
    loaded = importlib.import_module(module)
    assert callable(getattr(loaded, name)) and name in loaded.__all__


# ---- the ring


async def say_hi(request):
    return text("hi")


def serving(*middlewares, to=say_hi):
    """A client for an app of these middlewares around a handler."""
    return client(build_server(apply_middleware(*middlewares)(to)))


async def test_the_request_is_the_scope_with_headers_as_a_dict_and_the_body():
    seen = {}

    async def look(request):
        seen.update(request)
        return {"status": 200}

    async with client(build_server(look)) as c:
        await c.post("/there?a=1&b=2", body=b"payload", headers={"X-Several": ["one", "two"], "X-Once": "1"})
    assert (seen["type"], seen["http_version"], seen["method"], seen["scheme"]) == ("http", "1.1", "POST", "http")
    assert (seen["path"], seen["query_string"], seen["root_path"]) == ("/there", b"a=1&b=2", "")
    assert (len(seen["client"]), len(seen["server"])) == (2, 2)
    assert seen["headers"]["x-once"] == "1"
    assert [part.strip() for part in seen["headers"]["x-several"].split(",")] == ["one", "two"]
    assert [tuple(pair) for pair in seen["headers_list"] if pair[0] == b"x-several"] == [(b"x-several", b"one"), (b"x-several", b"two")]
    assert seen["body"] == b"payload"


async def test_the_body_is_read_whole_before_the_handler_runs():
    async def measure(request):
        return text(str(len(request["body"])))

    async with client(build_server(measure)) as c:
        assert (await c.post("/", chunks=[b"x" * 1000] * 50))["body"] == b"50000"
        assert (await c.get("/"))["body"] == b"0"


async def chunks():
    for chunk in (b"one ", b"two ", b"three"):
        yield chunk


@pytest.mark.parametrize(
    ("answer", "status", "body", "headers"),
    [
        pytest.param(lambda: {"status": 200}, 200, b"", {}, id="a status alone"),
        pytest.param(lambda: {"status": 418, "body": b"tea"}, 418, b"tea", {}, id="a body"),
        pytest.param(lambda: {"status": 200, "body": b"", "headers": {"X-Kind": "own"}}, 200, b"", {"x-kind": "own"}, id="headers of any case"),
        pytest.param(lambda: {"status": 200, "stream": chunks()}, 200, b"one two three", {}, id="a stream"),
        pytest.param(
            lambda: {"status": 200, "body": b"", "stream": chunks(), "headers": {"a": "b"}}, 200, b"one two three", {"a": "b"}, id="a stream and an empty body"
        ),
    ],
)
async def test_a_response_is_a_dict(answer, status, body, headers):
    async def handler(request):
        return answer()

    async with client(build_server(handler)) as c:
        got = await c.get("/")
    assert (got["status"], got["body"]) == (status, body)
    assert headers.items() <= got["headers"].items()


async def test_build_server_takes_its_earlier_arguments_by_position():
    calls = []

    async def on_start(context):
        calls.append(("start", context["type"]))
        return {"db": "a connection"}

    async def on_stop(context):
        calls.append(("stop", context["type"]))

    async def show(request):
        return text(request["config"]["db"])

    async with client(build_server(show, 30, 15, on_start, on_stop)) as c:
        assert calls == [("start", "lifespan")]
        assert (await c.get("/"))["body"] == b"a connection"
    assert calls == [("start", "lifespan"), ("stop", "lifespan")]


async def test_build_server_takes_its_earlier_arguments_by_name():
    async def on_start(context):
        return None

    async def show(request):
        return json(list(request["config"]))

    app = build_server(handler=show, max_responde_timeout_s=30, max_receive_timeout_s=15, on_start=on_start, on_stop=on_start)
    async with client(app) as c:
        assert (await c.get("/"))["json"] == []


async def test_standard_not_found_answers_404():
    async with client(build_server(standard_not_found)) as c:
        answer = await c.get("/")
    assert (answer["status"], answer["body"]) == (404, b"Not Found")


# ---- middlewares


def wrap_note(name, notes):
    def wrap(next_middleware):
        async def note(handler, request):
            notes.append(f"{name} enters")
            response = await next_middleware(handler, request)
            notes.append(f"{name} leaves")
            return response

        return note

    return wrap


@pytest.mark.parametrize("compose", [apply_middleware, chain_middleware], ids=lambda compose: compose.__name__)
async def test_middlewares_enter_in_order_and_leave_in_reverse(compose):
    notes = []

    async def handler(request):
        notes.append("the handler runs")
        return text("hi")

    enhanced = compose(wrap_note("one", notes), wrap_note("two", notes), wrap_note("three", notes))(handler)
    assert (await enhanced(request("GET", "/")))["body"] == b"hi"
    assert notes == ["one enters", "two enters", "three enters", "the handler runs", "three leaves", "two leaves", "one leaves"]


async def test_a_middleware_may_answer_by_itself_change_the_request_and_choose_another_handler():
    async def other(request):
        return text(request["note"])

    def wrap_choice(next_middleware):
        async def choose(handler, request):
            if request["path"] == "/teapot":
                return {"status": 418}
            request["note"] = "chosen"
            return await next_middleware(other, request)

        return choose

    async with serving(wrap_choice) as c:
        assert (await c.get("/teapot"))["status"] == 418
        assert (await c.get("/"))["body"] == b"chosen"


@pytest.mark.parametrize("bare", [wrap_json, wrap_parameters, wrap_cookies, wrap_content_type, wrap_cors], ids=lambda factory: factory.__name__)
async def test_a_middleware_without_parentheses_is_called(bare):
    async with serving(bare) as c:
        assert (await c.get("/"))["body"] == b"hi"


async def test_a_middleware_behind_the_router_sees_the_chosen_handler_and_without_a_match_the_default():
    handlers = []

    def wrap_look(next_middleware):
        async def look(handler, request):
            handlers.append(handler)
            return await next_middleware(handler, request)

        return look

    async def routed(request):
        return text("routed")

    async with serving(wrap_routes([("/routed", ["GET"], routed)]), wrap_look) as c:
        assert (await c.get("/routed"))["body"] == b"routed"
        assert (await c.get("/elsewhere"))["body"] == b"hi"
    assert [handler.__name__ for handler in handlers] == ["routed", "say_hi"]


# ---- routing


async def index(request):
    return text("index")


async def numbered(request, number):
    return text(f"{type(number).__name__} {number}")


async def renumber(request, number):
    return text(f"now {number}")


async def between(request, first, second):
    return text(f"from {first} to {second}")


ROUTES = [
    ("/", ["GET"], index),
    ("/several", ["GET", "PUT", "POST"], index),
    ("/users/{number}", ["GET"], numbered),
    ("/users/{number}", ["POST"], renumber),
    ("/from/{a}/to/{b}", ["GET"], between),
    ("/slashed/", ["GET"], index),
]


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/", 200, b"index"),
        ("GET", "/several", 200, b"index"),
        ("PUT", "/several", 200, b"index"),
        ("POST", "/several", 200, b"index"),
        ("GET", "/users/7", 200, b"str 7"),
        ("GET", "/users/ann", 200, b"str ann"),
        ("POST", "/users/7", 200, b"now 7"),
        ("GET", "/from/here/to/there", 200, b"from here to there"),
        ("GET", "/several/", 200, b"index"),
        ("GET", "/slashed", 200, b"index"),
        ("GET", "/slashed/", 200, b"index"),
        ("GET", "/users/7/", 200, b"str 7"),
        ("GET", "/users", 404, b"Not Found"),
        ("GET", "/users/7/more", 404, b"Not Found"),
        ("GET", "/unknown", 404, b"Not Found"),
    ],
)
async def test_routes_are_a_table(method, path, status, body):
    async with serving(wrap_routes(ROUTES), to=standard_not_found) as c:
        answer = await c.request(method, path)
    assert (answer["status"], answer["body"]) == (status, body)


# ---- JSON


async def show_json(request):
    return json({"got": request.get("json", "no key")})


@pytest.mark.parametrize(
    ("content_type", "body", "status", "expected"),
    [
        pytest.param("application/json", b'{"a": [1, null]}', 200, {"got": {"a": [1, None]}}, id="an object"),
        pytest.param("application/json; charset=utf-8", '"é"'.encode(), 200, {"got": "é"}, id="with a charset"),
        pytest.param("application/json", b"", 200, {"got": None}, id="no body"),
        pytest.param("application/json", b"{", 400, b"Malformed JSON", id="malformed"),
    ],
)
async def test_a_json_body_is_parsed(content_type, body, status, expected):
    async with serving(wrap_json(), to=show_json) as c:
        answer = await c.post("/", body=body, headers={"content-type": content_type})
    assert (answer["status"], answer["body"] if status == 400 else answer["json"]) == (status, expected)


async def test_other_content_types_are_left_alone():
    async with serving(wrap_json(), to=show_json) as c:
        answer = await c.post("/", body=b"{", headers={"content-type": "text/plain"})
    assert answer["status"] == 200


@pytest.mark.parametrize("middleware", [lambda: wrap_json(fail_on_missing_body=True), lambda: wrap_json(True)], ids=["by name", "by position"])
async def test_a_missing_body_can_be_an_error(middleware):
    async with serving(middleware(), to=show_json) as c:
        answer = await c.post("/", headers={"content-type": "application/json"})
    assert (answer["status"], answer["body"]) == (400, b"Malformed JSON")


# ---- parameters


async def show_parameters(request):
    return json([request["query_params"], request["form_params"], request["params"]])


FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("query", "form", "expected"),
    [
        pytest.param("", None, [{}, {}, {}], id="none"),
        pytest.param("?k=0&p=v&p=9", None, [{"k": ["0"], "p": ["v", "9"]}, {}, {"k": ["0"], "p": ["v", "9"]}], id="query"),
        pytest.param("", b"k=0&p=v&p=9", [{}, {"k": ["0"], "p": ["v", "9"]}, {"k": ["0"], "p": ["v", "9"]}], id="form"),
        pytest.param("?u=1", b"k=0", [{"u": ["1"]}, {"k": ["0"]}, {"u": ["1"], "k": ["0"]}], id="both"),
        pytest.param("?name=J%C3%BCrgen+K", None, [{"name": ["Jürgen K"]}, {}, {"name": ["Jürgen K"]}], id="escapes"),
    ],
)
async def test_parameters_are_dicts_of_lists(query, form, expected):
    async with serving(wrap_parameters(), to=show_parameters) as c:
        answer = await c.post("/" + query, **({} if form is None else {"body": form, "headers": FORM}))
    assert answer["json"] == expected


@pytest.mark.parametrize(("keep", "expected"), [(False, {"b": ["1"]}), (True, {"a": [""], "b": ["1"]})], ids=["dropped", "kept"])
async def test_blank_values_can_be_kept(keep, expected):
    async with serving(wrap_parameters(keep_blank_values=keep), to=show_parameters) as c:
        assert (await c.get("/?a=&b=1"))["json"][0] == expected


@pytest.mark.parametrize(("strict", "status"), [(False, 200), (True, 400)], ids=["loose", "strict"])
async def test_parsing_can_be_strict(strict, status):
    async with serving(wrap_parameters(keep_blank_values=False, strict_parsing=strict, encoding="utf-8"), to=show_parameters) as c:
        assert (await c.get("/?a&b=1"))["status"] == status


async def test_another_encoding_can_be_chosen():
    async with serving(wrap_parameters(encoding="latin-1"), to=show_parameters) as c:
        assert (await c.get("/?a=%E9"))["json"][0] == {"a": ["é"]}


# ---- cookies


async def test_cookies_of_the_request_are_a_dict():
    async def show(request):
        return json(request["cookies"])

    async with serving(wrap_cookies(), to=show) as c:
        assert (await c.get("/", headers={"cookie": "a=1; b=two"}))["json"] == {"a": "1", "b": "two"}
        assert (await c.get("/"))["json"] == {}


MOMENT = 1545335438.5059335

COOKIES = [
    pytest.param({"value": 0}, "0", {}, id="a number"),
    pytest.param({"value": 3.4, "expires": MOMENT}, "3.4", {"expires": formatdate(int(MOMENT), usegmt=True)}, id="expires as a timestamp"),
    pytest.param({"value": "v", "expires": "Thu, 20 Dec 2018 19:50:38 GMT"}, "v", {"expires": "Thu, 20 Dec 2018 19:50:38 GMT"}, id="expires as text"),
    pytest.param({"value": "v", "path": "/some/path", "domain": "my.domain.zz"}, "v", {"path": "/some/path", "domain": "my.domain.zz"}, id="path and domain"),
    pytest.param({"value": "v", "max-age": 3600}, "v", {"max-age": "3600"}, id="max-age"),
    pytest.param({"value": "v", "secure": True, "httponly": True}, "v", {"secure": "", "httponly": ""}, id="flags"),
    pytest.param({"value": "v", "comment": "useful", "version": 2}, "v", {"comment": "useful", "version": "2"}, id="comment and version"),
]


def parse_set_cookie(line):
    (name, value), *attributes = ((part.strip().partition("=")[0], part.strip().partition("=")[2]) for part in line.split(";"))
    return name, value, {key.lower(): given for key, given in attributes}


@pytest.mark.parametrize(("cookie", "value", "attributes"), COOKIES)
async def test_cookies_of_the_response_are_set(cookie, value, attributes):
    async def handler(request):
        return {"status": 200, "cookies": {"name": cookie}}

    async with serving(wrap_cookies(), to=handler) as c:
        name, sent, said = parse_set_cookie((await c.get("/"))["headers"]["set-cookie"])
    assert (name, sent) == ("name", value)
    assert attributes.items() <= said.items()


async def test_several_cookies_are_several_headers_and_none_deletes():
    async def handler(request):
        return {"status": 200, "cookies": {"first": {"value": 1}, "second": {"value": "two"}, "gone": None}}

    async with serving(wrap_cookies(), to=handler) as c:
        lines = [parse_set_cookie(value) for name, value in (await c.get("/"))["headers_list"] if name == "set-cookie"]
    assert [name for name, _, _ in lines] == ["first", "second", "gone"]
    deleted = lines[2][2]
    assert "expires" in deleted and parsedate_to_datetime(deleted["expires"]).year < 2026


# ---- content types


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        pytest.param("/static/index.html", {}, "text/html", id="by the extension"),
        pytest.param("/favicon.ico", {}, "image/vnd.microsoft.icon", id="an icon"),
        pytest.param("/unknown.zzz", {}, "application/octet-stream", id="unknown"),
        pytest.param("/unknown.zzz", {"default_content_type": "application/zzz"}, "application/zzz", id="another default"),
        pytest.param("/crate.apple", {"additional_content_types": {"application/fruit": [".apple", "orange"]}}, "application/fruit", id="with a dot"),
        pytest.param("/crate.orange", {"additional_content_types": {"application/fruit": [".apple", "orange"]}}, "application/fruit", id="without a dot"),
        pytest.param("/photo.webp", {"strict": False}, "image/webp", id="not strict"),
        pytest.param("/photo.png", {"strict": True}, "image/png", id="strict"),
    ],
)
async def test_a_content_type_is_guessed_from_the_path(path, options, expected):
    async def handler(request):
        return {"status": 200, "body": b"x"}

    async with serving(wrap_content_type(**options), to=handler) as c:
        assert (await c.get(path))["headers"]["content-type"].partition(";")[0] == expected


async def test_a_content_type_that_is_given_stays():
    async def handler(request):
        return {"status": 200, "body": b"x", "headers": {"content-type": "text/own"}}

    async with serving(wrap_content_type(), to=handler) as c:
        assert (await c.get("/index.html"))["headers"]["content-type"] == "text/own"


# ---- static files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with static/data/page.html, and one file beside it."""
    data = tmp_path / "static" / "data"
    data.mkdir(parents=True)
    (data / "page.html").write_bytes(b"<p>hello</p>")
    (tmp_path / "static" / "secret.txt").write_bytes(b"secret")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("given", ["./static/data", "static/data", "/static/data"], ids=repr)
async def test_the_folder_is_relative_to_the_working_directory(folder, given):
    async with serving(wrap_static(given)) as c:
        answer = await c.get("/page.html")
    assert (answer["status"], answer["body"], answer["headers"]["content-length"]) == (200, b"<p>hello</p>", "12")


@pytest.mark.parametrize("root", [str, Path], ids=["str", "Path"])
@pytest.mark.parametrize("given", ["/static/data", "static/data"], ids=repr)
async def test_the_folder_is_relative_to_a_given_root(folder, monkeypatch, tmp_path_factory, given, root):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    async with serving(wrap_static(given, root_path=root(folder))) as c:
        assert (await c.get("/page.html"))["body"] == b"<p>hello</p>"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_is_no_file_and_what_is_no_question_goes_on(folder, method):
    async with serving(wrap_static("static/data")) as c:
        assert (await c.request(method, "/page.html" if method == "POST" else "/missing.html"))["body"] == b"hi"


@pytest.mark.parametrize("path", ["/../secret.txt", "/a/../../secret.txt", "/%2e%2e/secret.txt"])
async def test_a_path_that_climbs_is_not_found(folder, path):
    async with serving(wrap_static("static/data")) as c:
        assert (await c.get(path))["status"] == 404


async def test_a_folder_that_is_none_is_an_error_at_the_start(folder):
    with pytest.raises(NotADirectoryError):
        wrap_static("static/nowhere")


@pytest.mark.parametrize(
    "sends", [{"if-none-match": "etag"}, {"if-modified-since": "last-modified"}, {"if-none-match": "etag", "if-modified-since": "last-modified"}], ids="+".join
)
async def test_what_the_browser_has_is_not_sent_again(folder, sends):
    async with serving(wrap_static("static/data")) as c:
        first = await c.get("/page.html")
        again = await c.get("/page.html", headers={asks: first["headers"][told] for asks, told in sends.items()})
        assert (again["status"], again["body"]) == (304, b"")
        os.utime(folder / "static" / "data" / "page.html", (2_000_000_000, 2_000_000_000))
        assert (await c.get("/page.html", headers={asks: first["headers"][told] for asks, told in sends.items()}))["status"] == 200


async def test_content_types_are_for_static_files_too(folder):
    async with serving(wrap_content_type(), wrap_static("static/data")) as c:
        assert (await c.get("/page.html"))["headers"]["content-type"].partition(";")[0] == "text/html"


# ---- CORS


@pytest.mark.parametrize(("arguments", "origin"), [((), "*"), (("https://example.org",), "https://example.org")], ids=["everybody", "one"])
async def test_cors_allows_an_origin(arguments, origin):
    async with serving(wrap_cors(*arguments)) as c:
        assert (await c.get("/", headers={"origin": "https://example.org"}))["headers"]["access-control-allow-origin"] == origin


async def test_cors_by_name():
    async with serving(wrap_cors(allow_origin="https://example.org")) as c:
        assert (await c.get("/", headers={"origin": "https://example.org"}))["headers"]["access-control-allow-origin"] == "https://example.org"


# ---- responses


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        pytest.param(text(), (200, b"", "text/plain; charset=utf-8"), id="empty text"),
        pytest.param(text("hé", 201), (201, "hé".encode(), "text/plain; charset=utf-8"), id="text with a status"),
        pytest.param(text("hé", encoding="latin-1"), (200, b"h\xe9", "text/plain; charset=latin-1"), id="text in an encoding"),
        pytest.param(json({"a": "é"}), (200, '{"a":"é"}'.encode(), "application/json; charset=utf-8"), id="json"),
        pytest.param(json([], 201), (201, b"[]", "application/json; charset=utf-8"), id="json with a status"),
        pytest.param(json("é", ensure_ascii=True), (200, rb'"\u00e9"', "application/json; charset=utf-8"), id="json in ASCII"),
        pytest.param(json("é", 200, False, "latin-1"), (200, b'"\xe9"', "application/json; charset=latin-1"), id="json in an encoding"),
        pytest.param(respond404(), (404, b"Not Found", "text/plain; charset=utf-8"), id="404"),
        pytest.param(respond404("no such pear"), (404, b"no such pear", "text/plain; charset=utf-8"), id="404 with a message"),
        pytest.param(respond400(), (400, b"", "text/plain; charset=utf-8"), id="400"),
        pytest.param(respond400("no pears"), (400, b"no pears", "text/plain; charset=utf-8"), id="400 with a message"),
    ],
)
def test_response_constructors(response, expected):
    assert (response["status"], response["body"], response["headers"]["content-type"]) == expected
    assert response["headers"]["content-length"] == str(len(response["body"]))


async def test_respond_not_modified_keeps_the_headers_it_is_given():
    async def handler(request):
        return respond_not_modified({"etag": '"1"', "last-modified": "Thu, 20 Dec 2018 19:50:38 GMT"})

    async with client(build_server(handler)) as c:
        answer = await c.get("/")
    assert (answer["status"], answer["body"], answer["headers"]["etag"]) == (304, b"", '"1"')


async def test_filestream_streams_a_file_in_chunks(tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(bytes(range(256)) * 40)

    async def handler(request):
        return filestream(str(path), headers={"x-own": "1"}, chunk_size=1024)

    async with client(build_server(handler)) as c:
        answer = await c.get("/")
    assert (answer["status"], answer["body"], answer["headers"]["x-own"]) == (200, path.read_bytes(), "1")
    assert max(map(len, answer["chunks"])) <= 1024


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (ws_send("a"), {"type": "websocket.send", "text": "a"}),
        (ws_send(b"a"), {"type": "websocket.send", "bytes": b"a"}),
        (ws_close(), {"type": "websocket.close", "code": 1000}),
        (ws_close(1001), {"type": "websocket.close", "code": 1001}),
        (ws_accept(subprotocol="x"), {"type": "websocket.accept", "subprotocol": "x"}),
        (ws_accept("x"), {"type": "websocket.accept", "subprotocol": "x"}),
        (ws_accept(), {"type": "websocket.accept", "subprotocol": None}),
    ],
    ids=repr,
)
def test_websocket_constructors(made, expected):
    assert made == expected


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: ws_send(1), "ws_send: expected str or bytes, got int; "),
        (lambda: ws_send(None), "ws_send: expected str or bytes, got NoneType; "),
        (lambda: ws_close("1000"), "ws_close: code must be an int, got '1000'"),
    ],
    ids=["a number", "nothing", "a code as text"],
)
def test_websocket_constructors_refuse_other_types(call, error):
    with pytest.raises(TypeError, match=f"^{error}"):
        call()


# ---- websockets (test_seed.py has the rest of their page)


async def test_websocket_takes_its_hooks_by_position():
    calls = []

    async def accept(scope):
        calls.append("connect")
        return ws_accept()

    async def gone(scope):
        calls.append("disconnect")

    async def closed(scope):
        calls.append("close")

    async def echo(scope, receiver):
        async for message in receiver:
            yield ws_send(message)

    async with client(build_server(websocket(echo, accept, gone, closed))) as c, c.websocket("/") as ws:
        await ws.send("hi")
        assert await ws.expect() == "hi"
        await ws.close()
    assert calls == ["connect", "disconnect", "close"]


async def test_the_iteration_ends_with_wsdisconnect():
    ends = []

    @websocket
    async def reading(scope, receiver):
        try:
            async for message in receiver:
                yield ws_send(message)
        except WSDisconnect as left:
            ends.append(left)

    async with client(build_server(reading)) as c, c.websocket("/") as ws:
        await ws.close()
    assert len(ends) == 1 and isinstance(ends[0], Exception)


async def test_an_unknown_path_is_denied():
    app = build_server(apply_middleware(wrap_routes([("/known", ["WS"], websocket(lambda scope, receiver: None))]))(standard_not_found))
    async with client(app) as c:
        with pytest.raises(Denied) as denied:
            async with c.websocket("/unknown"):
                pass
    assert denied.value.response["status"] == 404
