"""shallot.ring: the straight lines of a request and of a WebSocket, from the scope to the last event."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from contextlib import asynccontextmanager

import pytest

from shallot import build_server, standard_not_found, websocket, ws_accept, ws_close
from shallot.compose import apply_middleware
from shallot.errors import BadRequest, BodyTooLarge, Forbidden, Unavailable
from shallot.middlewares import wrap_routes
from shallot.response import text
from shallot.ring import App
from shallot.testing.clock import virtual_time
from shallot.testing.fakes import FakeServer
from shallot.testing.lifespans import lifespan
from shallot.testing.scopes import http_scope, websocket_scope

EXTENDED = {"extensions": {"websocket.http.response": {}}}


def answering(response):
    async def handler(request):
        if isinstance(response, BaseException):
            raise response
        return response(request) if callable(response) else response

    return handler


def app_of(response, **options):
    return build_server(answering(response), **options)


def part(body, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


async def serve(app, scope=None, *events, **faults):
    """All that ``app`` sent."""
    server = FakeServer(scope or http_scope(), events or [part(b"", False)], **faults)
    await server.run(app, deadline_s=100)
    return server.sent


def told(events):
    """(status, headers, body) of what was sent."""
    start, *rest = events
    return start["status"], dict(start["headers"]), b"".join(event["body"] for event in rest)


class Stream:
    """Never started, it has nothing to clean up; but it was given to us to close."""

    def __init__(self):
        self.closed = 0

    def __aiter__(self):
        return self

    async def __anext__(self):
        raise StopAsyncIteration

    async def aclose(self):
        self.closed += 1


# ---- building


def test_an_app_is_callable_and_tells_what_was_composed():
    async def outer(handler, request):
        raise NotImplementedError

    def wrap_all(next_middleware):
        return outer

    app = build_server(apply_middleware(wrap_all)(standard_not_found))
    assert isinstance(app, App)
    assert asyncio.iscoroutinefunction(App.__call__)
    assert app.spec == [{"name": "wrap_all", "options": {}}]
    assert build_server(standard_not_found).spec == ()


def test_the_first_five_options_may_be_given_by_position():
    build_server(standard_not_found, 30, 15, print, print)


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ({"handler": "hello"}, TypeError, "a handler must be a function of the request, not 'hello'"),
        ({"on_start": "x"}, TypeError, "on_start must be a function"),
        ({"on_stop": 1}, TypeError, "on_stop must be a function"),
        ({"stream_body": True}, TypeError, "stream_body must be a function"),
        ({"resources": [1]}, TypeError, "resources must be a dict"),
        ({"resources": {"db": 1}}, TypeError, "the resource 'db' cannot be entered"),
        ({"limits": []}, TypeError, "limits must be a dict"),
        ({"limits": {"body_byte": 1}}, ValueError, "did you mean 'body_bytes'"),
        ({"max_body_bytes": 0}, ValueError, "'body_bytes' must be above zero"),
        ({"max_body_bytes": 1, "limits": {"body_bytes": 1}}, ValueError, "body_bytes is given by limits= and by its shorthand"),
        ({"max_receive_timeout_s": 1, "limits": {"body_s": 1}}, ValueError, "body_s is given"),
        ({"max_responde_timeout_s": 1, "limits": {"response_s": 1}}, ValueError, "response_s is given"),
        ({"effects": {"a": print}}, TypeError, "the effect 'a' must be an async function"),
        ({"handler": lambda: 0}, TypeError, r"the handler is called with \(request\): too many positional arguments"),
        ({"handler": lambda request, number: 0}, TypeError, r"the handler is called with \(request\): missing a required argument: 'number'"),
        ({"threads": 0}, ValueError, "threads must be at least 1"),
    ],
)
def test_wrong_options_are_refused_when_the_app_is_built(options, error, complaint):
    with pytest.raises(error, match=complaint):
        build_server(**{"handler": standard_not_found, **options})


async def test_standard_not_found():
    assert told(await serve(build_server(standard_not_found))) == (404, {b"content-type": b"text/plain; charset=utf-8", b"content-length": b"9"}, b"Not Found")


@pytest.mark.parametrize("kind", ["x", "http2", ""])
async def test_an_unknown_scope_is_an_error(kind):
    with pytest.raises(ValueError, match=f"http, websocket and lifespan; not {kind!r}"):
        await build_server(standard_not_found)({"type": kind}, None, None)


# ---- a request


async def test_a_request_without_a_body_reads_nothing():
    server = FakeServer(http_scope())
    await server.run(app_of({"status": 200, "body": b"hello"}))
    assert server.sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]},
        {"type": "http.response.body", "body": b"hello"},
    ]
    assert server.receives == 0


async def test_the_handler_gets_the_request():
    requests = []
    app = app_of(lambda request: requests.append(request) or {"status": 200}, on_start=lambda context: {"a": 1})
    async with lifespan(app):
        await serve(app, http_scope("POST", "/x", headers={"content-length": "5"}), part(b"he"), part(b"llo", False))
    (request,) = requests
    assert (request["type"], request["method"], request["path"], request["body"], request["config"]) == ("http", "POST", "/x", b"hello", {"a": 1})


async def test_a_plain_handler_runs_in_a_thread():
    def handler(request):
        return text(threading.current_thread().name)

    app = build_server(handler, threads=1)
    async with lifespan(app):
        (_, _, body) = told(await serve(app))
        threads = [thread for thread in threading.enumerate() if thread.name == body.decode()]
    for thread in threads:
        thread.join(5)
    assert body.startswith(b"shallot_")


@pytest.mark.parametrize("response", [{"status": 200, "body": b"hi"}, {"status": 200, "cookies": {}}, {"status": 200, "effects": [], "mine": 1}])
async def test_keys_that_are_nobodys_are_allowed(response):
    assert told(await serve(app_of(response)))[0] == 200


async def test_head_gets_the_headers_of_get():
    assert told(await serve(app_of(text("hello")), http_scope("HEAD"))) == (
        200,
        {b"content-type": b"text/plain; charset=utf-8", b"content-length": b"5"},
        b"",
    )


async def test_head_has_no_body_where_a_middleware_calls_it_get():
    def as_get(request):
        request["method"] = "GET"
        return text("hello")

    assert await serve(app_of(as_get), http_scope("HEAD")) == await serve(app_of(text("hello")), http_scope("HEAD"))


async def test_a_file_is_sent(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)

    async def run_in_thread(function, *args):
        return function(*args)

    for name, answered in (("a", (200, b"100000", 100_000)), ("missing", (500, b"94", 94))):
        app = app_of({"status": 200, "file": tmp_path / name})
        app._run_in_thread = run_in_thread
        status, headers, body = told(await serve(app))
        assert (status, headers[b"content-length"], len(body)) == answered


@pytest.mark.parametrize("scope", [http_scope(), websocket_scope(**EXTENDED)], ids=["http", "denial"])
@virtual_time
async def test_a_file_that_waits_for_a_thread_does_not_wait_for_ever(scope):
    """Where functions that never end hold all of them."""

    async def run_in_thread(function, *args):
        await asyncio.Event().wait()

    app = app_of({"status": 403, "file": "x"}, limits={"response_s": 3})
    app._run_in_thread = run_in_thread
    began = asyncio.get_running_loop().time()
    sent = await serve(app, scope, {"type": "websocket.connect"})
    assert told(sent)[0] == 503
    assert asyncio.get_running_loop().time() - began == 3


@pytest.mark.parametrize("scope", [http_scope(), websocket_scope(**EXTENDED)], ids=["http", "handshake"])
async def test_a_cancellation_that_nobody_asked_of_the_request_is_an_error_like_others(scope, caplog):
    """It came out of a task that others share, say one that fills a cache."""

    async def handler(request):
        shared = asyncio.create_task(asyncio.sleep(100))
        shared.cancel()
        await shared

    sent = await serve(build_server(handler), scope, {"type": "websocket.connect"})
    assert told(sent)[0] == 500
    assert "failed with 500" in caplog.text


async def test_who_waits_for_a_thread_when_the_threads_end_is_answered():
    busy, begun = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def handler(request):
        loop.call_soon_threadsafe(begun.set)
        busy.wait(5)
        return {"status": 200}

    app = build_server(handler, threads=1)
    first, second = (FakeServer(http_scope(), [part(b"", False)]) for _ in range(2))
    try:
        async with lifespan(app):
            first.start(app), second.start(app)
            await begun.wait()
        await second.end()
    finally:
        busy.set()
        await first.end()
    assert [told(server.sent)[0] for server in (first, second)] == [200, 500]


@pytest.mark.parametrize("scope", [http_scope(), websocket_scope(**EXTENDED)], ids=["http", "handshake"])
async def test_a_cancellation_that_somebody_asked_for_is_passed_on(scope):
    begun = asyncio.Event()

    async def handler(request):
        begun.set()
        await asyncio.Event().wait()

    server = FakeServer(scope, [{"type": "websocket.connect"}])
    task = server.start(build_server(handler))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert (task.cancelled(), server.sent) == (True, [])


# ---- refusals


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        (http_scope("GET", "/a%00b"), 400),
        (http_scope(headers={"host": "a@b"}), 400),
        (http_scope(headers={"host": ["a", "b"]}), 400),
        (http_scope(method="WS"), 400),
        (http_scope("POST", headers={"content-length": "+5"}), 400),
        (http_scope("POST", headers={"content-length": "5", "transfer-encoding": "chunked"}), 400),
        (http_scope("POST", headers={"content-length": "100000000"}), 413),
        (http_scope("GET", "/?" + "x" * 20_000), 414),
        (http_scope(headers={f"x-{number}": "y" for number in range(200)}), 431),
    ],
)
async def test_a_bad_request_never_reaches_the_handler(caplog, scope, status):
    caplog.set_level(logging.DEBUG)
    server = FakeServer(scope, [part(b"x")])
    await server.run(app_of(AssertionError("reached")))
    answered, headers, body = told(server.sent)
    assert (answered, json.loads(body)["status"]) == (status, status)
    assert headers[b"connection"] == b"close"
    assert server.receives == 0
    assert [record.levelname for record in caplog.records] == ["INFO"]


async def test_http_2_is_not_told_to_hang_up():
    assert b"connection" not in told(await serve(app_of({}), http_scope("GET", "/a%00b", http_version="2")))[1]


@virtual_time
async def test_a_slow_body_is_408():
    status, headers, _ = told(await serve(app_of(AssertionError("reached")), http_scope("POST", headers={"content-length": "5"}), part(b"a")))
    assert (status, headers[b"connection"]) == (408, b"close")


@virtual_time
async def test_a_body_that_does_not_begin_is_408():
    began = asyncio.get_running_loop().time()
    status, headers, _ = told(await serve(app_of(AssertionError("reached")), http_scope("POST", headers={"content-length": "5"}), part(b"", True)))
    assert (status, headers[b"connection"]) == (408, b"close")
    server = FakeServer(http_scope("POST", headers={"content-length": "5"}))
    await server.run(app_of(AssertionError("reached")), deadline_s=100)
    status, headers, _ = told(server.sent)
    assert (status, headers[b"connection"]) == (408, b"close")
    assert asyncio.get_running_loop().time() - began == 10


async def test_half_a_body_reaches_nobody(caplog):
    caplog.set_level(logging.DEBUG)
    sent = await serve(app_of(AssertionError("reached")), http_scope("POST", headers={"content-length": "5"}), part(b"a"), {"type": "http.disconnect"})
    assert sent == []
    assert [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "shallot"] == [
        ("DEBUG", "the client left before the end of the body; nobody is answered")
    ]


# ---- failures


@pytest.mark.parametrize(
    ("failure", "status", "level"),
    [
        (RuntimeError("secret"), 500, "ERROR"),
        (TimeoutError("mine"), 500, "ERROR"),
        (None, 500, "ERROR"),
        ((200, b"x"), 500, "ERROR"),
        ({"status": 101}, 500, "ERROR"),
        ({"status": 200, "headers": {"a": "b\r\nc: d"}}, 500, "ERROR"),
        (BadRequest("because"), 400, "INFO"),
        (Forbidden("no"), 403, "ERROR"),
        (Unavailable("down"), 503, "WARNING"),
        (ExceptionGroup("one", [BadRequest("because")]), 400, "INFO"),
        (BaseExceptionGroup("one real", [asyncio.CancelledError(), ValueError("x")]), 500, "ERROR"),
        (ExceptionGroup("two", [BadRequest("because"), ValueError("x")]), 500, "ERROR"),
    ],
    ids=repr,
)
async def test_what_a_handler_raises_is_answered(caplog, failure, status, level):
    answered, headers, body = told(await serve(app_of(failure)))
    assert (answered, json.loads(body)["status"], headers[b"content-type"]) == (status, status, b"application/problem+json")
    assert b"connection" not in headers
    assert b"secret" not in body
    assert [record.levelname for record in caplog.records] == [level] * (level != "INFO")


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), BaseExceptionGroup("", [KeyboardInterrupt()])], ids=repr)
async def test_what_is_no_error_leaves(failure):
    async def receive():
        raise NotImplementedError

    sent = []
    with pytest.raises(type(failure)):
        await app_of(failure)(http_scope(), receive, sent.append)
    assert sent == []


async def test_K8_from_the_shutdown_on_nobody_is_told_that_all_is_well():
    seen = []

    async def ask():
        seen.append(told(await serve(app))[0])

    async def on_stop(context):
        await ask()

    app = build_server(answering(text("well")), on_stop=on_stop)
    async with lifespan(app):
        await ask()
    await ask()
    assert seen == [200, 503, 503]


@virtual_time
async def test_a_handler_that_takes_too_long_is_503():
    async def slow(request):
        await asyncio.sleep(61)

    began = asyncio.get_running_loop().time()
    assert told(await serve(build_server(slow)))[0] == 503
    assert asyncio.get_running_loop().time() - began == 60


@pytest.mark.parametrize(
    ("scope", "options"),
    [(http_scope(), {}), (http_scope("POST"), {"stream_body": lambda scope: True}), (websocket_scope(**EXTENDED), {})],
    ids=["whole", "streamed", "handshake"],
)
def test_the_layers_that_are_cancelled_can_tell_that_time_is_up(scope, options):
    @virtual_time
    async def run():
        seen = []

        async def slow(request):
            try:
                await asyncio.sleep(100)
            finally:
                seen.append(request.get("overdue"))

        app = build_server(slow, **options)
        begin = {"type": "websocket.connect"} if scope["type"] == "websocket" else part(b"", False)
        assert (await serve(app, scope, begin))[0]["status"] == 503
        server = FakeServer(scope, [begin])
        task = server.start(app)
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        assert seen == [True, None]

    run()


@virtual_time
async def test_a_handler_that_answers_its_cancellation_is_sent_within_its_own_deadline():
    async def stubborn(request):
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return text("late")

    began = asyncio.get_running_loop().time()
    assert told(await serve(build_server(stubborn)))[2] == b"late"
    await serve(build_server(stubborn), stuck_after=1)
    assert asyncio.get_running_loop().time() - began == 60 + 60 + 20


@pytest.mark.parametrize("seconds", [5, 7.0])
def test_two_stages_of_the_same_length_are_two(seconds):
    @virtual_time
    async def run():
        async def slow(request):
            await asyncio.sleep(seconds - 1)
            return text("x")

        app = build_server(slow, limits={"response_s": seconds, "send_s": seconds})
        began = asyncio.get_running_loop().time()
        assert len(await serve(app, stuck_after=0)) == 0
        assert asyncio.get_running_loop().time() - began == 2 * seconds - 1

    run()


async def test_a_server_that_refuses_our_events_is_told(caplog):
    async def send(event):
        raise ValueError("wrong event")

    with pytest.raises(ValueError, match="wrong event"):
        await app_of({"status": 200})(http_scope(), None, send)
    assert "connection cut in the middle of a response" in caplog.text


async def test_a_client_that_left_is_no_error(caplog):
    caplog.set_level(logging.DEBUG, "shallot")
    server = FakeServer(http_scope())
    server.leave()
    await server.run(app_of({"status": 200}))
    assert [record.levelname for record in caplog.records if record.name == "shallot"] == ["DEBUG"]


@virtual_time
async def test_a_client_that_takes_nothing_is_cut():
    server = FakeServer(http_scope(), stuck_after=1)
    await server.run(app_of({"status": 200, "body": b"x"}), deadline_s=30)
    assert len(server.sent) == 1


# ---- what middlewares add to an answer that passes none of them


def wrap_seen(name, seen):
    def middleware(next_middleware):
        async def see(handler, request):
            request[name] = name
            return await next_middleware(handler, request)

        return see

    def note(response, request):
        seen.append((name, response["status"], {key: request.get(key) for key in ("type", "method", "path", name)}, request["headers"].get("host")))
        return {**response, "headers": {**response["headers"], f"x-{name}": "1"}}

    middleware.on_refusal = note
    return middleware


@pytest.mark.parametrize(
    ("scope", "status", "method", "reached"),
    [
        (http_scope("GET", "/a"), 500, "GET", True),
        (http_scope("GET", "/a", headers={f"x-{number}": "y" for number in range(200)}), 431, "GET", False),
        (http_scope("POST", "/a", headers={"content-length": "100000000"}), 413, "POST", False),
        (websocket_scope("/a", **EXTENDED), 500, "WS", True),
        (websocket_scope("/a", headers={"host": "a@b"}, **EXTENDED), 400, "WS", False),
    ],
    ids=["failed", "headers", "body", "handshake-failed", "handshake"],
)
async def test_refusals_are_dressed_by_the_middlewares_innermost_first(scope, status, method, reached):
    seen = []
    app = build_server(apply_middleware(wrap_seen("out", seen))(apply_middleware(wrap_seen("in", seen))(answering(RuntimeError("x")))))
    answered, headers, _ = told(await serve(app, scope, *([CONNECT] if method == "WS" else [])))
    assert (answered, headers[b"x-in"], headers[b"x-out"]) == (status, b"1", b"1")
    assert [(name, status) for name, status, _, _ in seen] == [("in", status), ("out", status)]
    for name, _, request, _ in seen:
        assert request == {"type": scope["type"], "method": method, "path": "/a", name: name if reached else None}


async def test_an_answer_of_the_handlers_own_is_left_alone():
    seen = []
    assert told(await serve(build_server(apply_middleware(wrap_seen("a", seen))(standard_not_found))))[0] == 404
    assert seen == []


# ---- streamed responses


class Endless:
    """A stream that tells how it ended."""

    def __init__(self, *, swallow=False):
        self.sent = 0
        self.ended = asyncio.Event()
        self.task = None
        self.swallow = swallow

    async def chunks(self):
        try:
            while True:
                yield b"x"
                self.sent += 1
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    if not self.swallow:
                        raise
        finally:
            self.task = asyncio.current_task()
            self.ended.set()


@pytest.mark.parametrize("after_leave", ["raise", "swallow", "block"])
@pytest.mark.parametrize("swallow", [False, True], ids=["plain", "swallowing"])
@pytest.mark.parametrize("events", [[], [part(b"", False)]], ids=["body read", "body unread"])
async def test_a_stream_ends_in_its_own_task_when_the_client_leaves(caplog, after_leave, swallow, events):
    caplog.set_level(logging.DEBUG, "shallot")
    stream = Endless(swallow=swallow)
    server = FakeServer(http_scope(), events, after_leave=after_leave)
    task = server.start(app_of(lambda request: {"status": 200, "stream": stream.chunks()}))
    await server.until(lambda: len(server.sent) > 3, "some chunks")
    server.leave()
    await server.end(deadline_s=1)
    assert stream.ended.is_set()
    assert stream.task is task
    assert task.cancelling() == 0
    assert [record.levelname for record in caplog.records if record.name == "shallot"] == ["DEBUG"]


async def test_a_cancellation_from_outside_is_passed_on():
    stream, server = Endless(), FakeServer(http_scope())
    task = server.start(app_of(lambda request: {"status": 200, "stream": stream.chunks()}))
    await server.until(lambda: len(server.sent) > 3, "some chunks")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stream.ended.is_set()


async def test_a_cancellation_from_outside_is_passed_on_even_while_the_client_leaves():
    stream, server = Endless(), FakeServer(http_scope(), [{"type": "http.disconnect"}])
    task = server.start(app_of(lambda request: {"status": 200, "stream": stream.chunks()}))
    await server.until(lambda: server.gone, "the client to leave")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stream.ended.is_set()


async def test_an_error_after_the_first_byte_cuts_and_is_raised(caplog):
    async def broken():
        yield b"one"
        raise RuntimeError("broken")

    server = FakeServer(http_scope())
    with pytest.raises(RuntimeError, match="broken"):
        await server.run(app_of(lambda request: {"status": 200, "stream": broken()}))
    assert [event.get("more_body") for event in server.sent] == [None, True]
    assert [(record.levelname, record.exc_info is not None) for record in caplog.records] == [("ERROR", True)]


async def test_an_error_of_a_stream_while_the_client_leaves_is_told():
    async def breaking():
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise RuntimeError("broken") from None

    server = FakeServer(http_scope())
    task = server.start(app_of(lambda request: {"status": 200, "stream": breaking()}))
    await server.until(lambda: len(server.sent) > 3, "some chunks")
    server.leave()
    with pytest.raises(RuntimeError, match="broken"):
        await server.end()
    assert task.cancelling() == 0


@pytest.mark.parametrize("events", [[{"type": "http.request"}, {"type": "http.request"}], None], ids=["requests without end", "raises"])
async def test_a_server_that_does_not_tell_who_left_is_served(events):
    async def chunks():
        for _ in range(3):
            await asyncio.sleep(0)
            yield b"x"

    sent, coming = [], iter(events or [])

    async def receive():
        return next(coming) if events else [].pop()

    async def send(event):
        sent.append(event)

    await app_of(lambda request: {"status": 200, "stream": chunks()})(http_scope(), receive, send)
    assert [event.get("body") for event in sent] == [None, b"x", b"x", b"x", b""]


@pytest.mark.parametrize(
    "changes",
    [{"status": 999}, {"headers": {"a": "\n"}}, {"body": b"x"}, {"cookies": {"a": {}}}, {"effects": [{"type": "unknown"}]}],
    ids=["status", "headers", "body", "cookies", "effects"],
)
async def test_a_stream_of_a_wrong_response_is_closed(changes):
    stream = Stream()
    assert told(await serve(app_of({"status": 200, "stream": stream, **changes})))[0] == 500
    assert stream.closed == 1


# ---- streamed requests


def upload_of(handler, **options):
    return build_server(handler, stream_body=lambda scope: scope["path"].startswith("/upload"), **options)


UPLOAD = http_scope("POST", "/upload", headers={"content-length": "5"})


async def test_a_handler_reads_a_streamed_body_by_itself():
    async def upload(request):
        return text(str([request["body"], [chunk async for chunk in request["stream"]], [chunk async for chunk in request["stream"]]]))

    status, headers, body = told(await serve(upload_of(upload), UPLOAD, part(b"he"), part(b"llo", False)))
    assert (status, body) == (200, b"[b'', [b'he', b'llo'], []]")
    assert b"connection" not in headers


async def test_a_streamed_request_without_a_body_has_an_empty_stream():
    async def upload(request):
        return text(str([chunk async for chunk in request["stream"]]))

    status, headers, body = told(await serve(upload_of(upload), http_scope("GET", "/upload")))
    assert (status, body) == (200, b"[]")
    assert b"connection" not in headers


async def test_what_a_streamed_request_without_a_body_gets_is_watched():
    stream = Endless()
    server = FakeServer(http_scope("GET", "/upload"), [part(b"", False)])
    server.start(upload_of(answering(lambda request: {"status": 200, "stream": stream.chunks()})))
    await server.until(lambda: len(server.sent) > 3, "some chunks")
    server.leave()
    await server.end(deadline_s=1)
    assert stream.ended.is_set()


async def test_other_bodies_are_read():
    async def handler(request):
        return text(f"{request['body']} {'stream' in request}")

    app = upload_of(handler)
    assert told(await serve(app, http_scope("POST", "/x", headers={"content-length": "2"}), part(b"hi", False)))[2] == b"b'hi' False"
    assert told(await serve(app))[2] == b"b'' False"


@pytest.mark.parametrize(("method", "scope"), [("GET", http_scope()), ("WS", websocket_scope(**EXTENDED))], ids=["http", "denial"])
def test_a_row_sets_the_deadline_of_what_is_streamed(method, scope):
    @virtual_time
    async def run():
        handler = answering(lambda request: {"status": 403, "stream": Stream()})
        app = build_server(apply_middleware(wrap_routes([("/", [method], handler, {"limits": {"send_s": 3}})]))(standard_not_found))
        began = asyncio.get_running_loop().time()
        events = [CONNECT] if method == "WS" else []
        sent = await serve(app, scope, *events, stuck_after=1)
        assert (len(sent), asyncio.get_running_loop().time() - began) == (1, 3)

    run()


@pytest.mark.parametrize("fails", [False, True])
async def test_what_was_not_read_ends_the_connection(fails):
    streams = []

    async def refuse(request):
        streams.append(request["stream"])
        if fails:
            raise Forbidden("no")
        return text("no", 403)

    status, headers, _ = told(await serve(upload_of(refuse), UPLOAD, part(b"he")))
    assert (status, headers[b"connection"]) == (403, b"close")
    assert [chunk async for chunk in streams[0]] == []


async def test_a_failure_after_the_whole_body_does_not():
    async def fail(request):
        assert [chunk async for chunk in request["stream"]] == [b"hello"]
        raise Forbidden("no")

    assert b"connection" not in told(await serve(upload_of(fail), UPLOAD, part(b"hello", False)))[1]


async def test_a_streamed_body_that_is_too_large_is_413():
    async def upload(request):
        async for _ in request["stream"]:
            pass

    app = upload_of(upload, limits={"stream_bytes": 10})
    scope = http_scope("POST", "/upload", headers={"transfer-encoding": "chunked"})
    status, headers, _ = told(await serve(app, scope, part(b"x" * 6), part(b"x" * 6)))
    assert (status, headers[b"connection"]) == (413, b"close")


async def test_a_streamed_body_may_stream_back():
    async def double(stream):
        async for chunk in stream:
            yield chunk * 2

    async def handler(request):
        return {"status": 200, "stream": double(request["stream"])}

    status, headers, body = told(await serve(upload_of(handler), UPLOAD, part(b"he"), part(b"llo", False)))
    assert (status, body) == (200, b"hehellollo")
    assert headers[b"connection"] == b"close"


async def test_the_client_of_a_streamed_body_leaves_in_the_middle(caplog):
    caplog.set_level(logging.DEBUG, "shallot")

    async def echo(stream):
        async for chunk in stream:
            yield chunk

    async def handler(request):
        return {"status": 200, "stream": echo(request["stream"])}

    sent = await serve(upload_of(handler), UPLOAD, part(b"he"), {"type": "http.disconnect"})
    assert [event.get("body") for event in sent] == [None, b"he"]
    assert [record.levelname for record in caplog.records if record.name == "shallot"] == ["DEBUG"]


async def test_a_bound_met_in_the_middle_of_a_response_cuts_it(caplog):
    caplog.set_level(logging.INFO)

    async def echo(stream):
        async for chunk in stream:
            yield chunk

    async def handler(request):
        return {"status": 200, "stream": echo(request["stream"])}

    sent = await serve(upload_of(handler, limits={"stream_bytes": 6}), UPLOAD, part(b"hello"), part(b"hello"))
    assert [event.get("body") for event in sent] == [None, b"hello"]
    assert [record.levelname for record in caplog.records] == ["INFO"]


async def test_a_response_is_watched_once_the_streamed_body_is_whole():
    async def chunks(request):
        async for _ in request["stream"]:
            pass
        async for chunk in stream.chunks():
            yield chunk

    stream = Endless()
    server = FakeServer(UPLOAD, [part(b"hello", False)])
    server.start(upload_of(answering(lambda request: {"status": 200, "stream": chunks(request)})))
    await server.until(lambda: len(server.sent) > 3, "some chunks")
    server.leave()
    await server.end(deadline_s=1)
    assert stream.ended.is_set()


@virtual_time
async def test_an_upload_that_nobody_reads_does_not_keep_an_endless_response_alive(caplog):
    """Where ``send`` swallows what nobody will read, only ``receive`` tells that the client left."""
    caplog.set_level(logging.DEBUG, "shallot")

    async def clock(request):
        assert await anext(request["stream"]) == b"he"
        return {"status": 200, "stream": ticks()}

    async def ticks():
        while True:
            yield b"x"
            await asyncio.sleep(1)

    server = FakeServer(UPLOAD, [part(b"he")], after_leave="swallow")
    server.start(upload_of(clock))
    await server.until(lambda: len(server.sent) > 3, "some chunks")
    server.leave()
    began = asyncio.get_running_loop().time()
    await server.end(deadline_s=40)
    assert asyncio.get_running_loop().time() - began <= 30
    assert [record.levelname for record in caplog.records if record.name == "shallot"] == ["DEBUG"]


# ---- effects of a response


async def test_effects_are_performed_in_order_before_the_first_byte():
    done = []
    server = FakeServer(http_scope())

    async def note(effect, scope):
        done.append((effect["n"], scope["path"], len(server.sent)))

    await server.run(app_of({"status": 202, "effects": [{"type": "note", "n": 1}, {"type": "note", "n": 2}]}, effects={"note": note}))
    assert done == [(1, "/", 0), (2, "/", 0)]
    assert told(server.sent)[0] == 202


@pytest.mark.parametrize("other", [{}, {"headers": {}}, {"body": b""}, {"body": b"", "headers": {}}], ids=["alone", "headers", "body", "both"])
@pytest.mark.parametrize("kind", ["effects", "stream", "file"])
async def test_whatever_else_a_response_has_its_effects_are_performed_and_its_stream_or_file_is_sent(kind, other, tmp_path):
    """Three keys are the status, the body and the headers only where the headers are among them."""
    done = []
    (tmp_path / "x").write_bytes(b"x")

    async def note(effect, scope):
        done.append(effect["type"])

    async def stream():
        try:
            yield b"x"
        finally:
            done.append("closed")

    rest = {"effects": lambda: [{"type": "note"}], "stream": stream, "file": lambda: tmp_path / "x"}[kind]()
    sent = await serve(app_of({"status": 200, **other, kind: rest}, effects={"note": note}))
    assert (told(sent)[2], done) == {"effects": (b"", ["note"]), "stream": (b"x", ["closed"]), "file": (b"x", [])}[kind]


@pytest.mark.parametrize(
    ("failure", "status"),
    [(RuntimeError("x"), 500), (Forbidden("x"), 500), (BodyTooLarge("x"), 500), (Unavailable("down"), 503), (TimeoutError("late"), 503)],
    ids=repr,
)
async def test_a_failed_effect_is_500_or_503(failure, status):
    async def fail(effect, scope):
        raise failure

    assert told(await serve(app_of({"status": 202, "effects": [{"type": "a"}]}, effects={"a": fail})))[0] == status


@pytest.mark.parametrize("effect", [{"type": "websocket.send", "text": "x"}, {"type": "timer.after", "seconds": 1, "name": "x"}, {"type": "no such"}, {}])
async def test_effects_that_no_response_may_have_are_500(effect):
    assert told(await serve(app_of({"status": 200, "effects": [effect]})))[0] == 500


@virtual_time
async def test_effects_have_a_deadline():
    async def hang(effect, scope):
        await asyncio.Event().wait()

    began = asyncio.get_running_loop().time()
    assert told(await serve(app_of({"status": 200, "effects": [{"type": "a"}]}, effects={"a": hang})))[0] == 503
    assert asyncio.get_running_loop().time() - began == 5


async def test_a_stream_is_closed_where_the_effects_are_cancelled():
    async def hang(effect, scope):
        await asyncio.Event().wait()

    stream, server = Stream(), FakeServer(http_scope())
    task = server.start(app_of({"status": 200, "stream": stream, "effects": [{"type": "a"}]}, effects={"a": hang}))
    await server.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stream.closed == 1


# ---- the life of the app


async def test_after_the_shutdown_requests_and_handshakes_are_refused():
    app = app_of({"status": 200})
    async with lifespan(app):
        assert told(await serve(app))[0] == 200
    status, headers, _ = told(await serve(app))
    assert (status, headers[b"connection"]) == (503, b"close")
    assert told(await serve(app, websocket_scope(**EXTENDED), {"type": "websocket.connect"}))[0] == 503


async def test_resources_are_in_the_config_and_two_apps_do_not_meet():
    @asynccontextmanager
    async def pool(config):
        yield object()

    def configs(request):
        seen.append(request["config"]["db"])
        return {"status": 200}

    seen = []
    one, two = (app_of(configs, resources={"db": pool}) for _ in range(2))
    async with lifespan(one), lifespan(two):
        for app in (one, two, one):
            await serve(app)
    assert seen[0] is seen[2]
    assert seen[0] is not seen[1]


# ---- a WebSocket


def conversation(*said, **keys):
    async def talk(scope, receiver):
        for message in said:
            yield {"type": "websocket.send", "text": message}

    return {"status": 101, "websocket": {"handler": talk, "params": [], "subprotocol": None, "limits": {}, "hooks": {}, "taps": []}, **keys}


CONNECT = {"type": "websocket.connect"}


async def test_a_conversation_is_accepted_and_held():
    sent = await serve(app_of(conversation("hi", headers={"set-cookie": ["a=1"], "content-type": "x/y"})), websocket_scope(), CONNECT)
    accept, said, close = sent
    assert (accept["type"], accept["headers"], said["text"], close["code"]) == ("websocket.accept", [(b"set-cookie", b"a=1")], "hi", 1000)


async def test_its_effects_come_before_the_accept():
    server = FakeServer(websocket_scope(), [CONNECT])

    async def note(effect, scope):
        server.noted = len(server.sent)

    await server.run(app_of(conversation(effects=[{"type": "note"}]), effects={"note": note}))
    assert server.noted == 0
    assert server.sent[0]["type"] == "websocket.accept"


async def test_a_client_that_is_gone_before_the_handshake_calls_nobody():
    assert await serve(app_of(AssertionError("called")), websocket_scope(), {"type": "websocket.disconnect", "code": 1006}) == []


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (text("who are you?", 401), 401),
        (None, 500),
        ({"status": 101}, 500),
        (RuntimeError("x"), 500),
        (BadRequest("x"), 400),
        (Unavailable("x"), 503),
        (conversation(headers={"sec-websocket-protocol": "v1"}), 500),
        (conversation(effects=[{"type": "unknown"}]), 500),
        (conversation(body=b"x"), 500),
    ],
    ids=str,
)
async def test_any_other_response_is_a_denial(response, status):
    answered, headers, _ = told(await serve(app_of(response), websocket_scope(**EXTENDED), CONNECT))
    assert (answered, b"connection" in headers) == (status, False)
    assert await serve(app_of(response), websocket_scope(), CONNECT) == [{"type": "websocket.close", "code": 1000}]


async def test_a_denial_may_stream():
    async def chunks():
        yield b"no"
        yield b"!"

    assert told(await serve(app_of(lambda request: {"status": 403, "stream": chunks()}), websocket_scope(**EXTENDED), CONNECT)) == (403, {}, b"no!")


async def test_a_denial_ends_where_the_client_leaves():
    stream = Endless()
    server = FakeServer(websocket_scope(**EXTENDED), [CONNECT])
    server.start(app_of(lambda request: {"status": 403, "stream": stream.chunks()}))
    await server.until(lambda: len(server.sent) > 3, "some chunks")
    server.leave()
    await server.end(deadline_s=1)
    assert stream.ended.is_set()


async def test_a_bad_handshake_never_reaches_the_handler():
    app = app_of(AssertionError("reached"))
    assert told(await serve(app, websocket_scope("/a%00b", **EXTENDED), CONNECT))[0] == 400


@virtual_time
async def test_a_handshake_has_a_deadline():
    async def slow(request):
        await asyncio.sleep(11)

    began = asyncio.get_running_loop().time()
    assert told(await serve(build_server(slow), websocket_scope(**EXTENDED), CONNECT))[0] == 503
    assert asyncio.get_running_loop().time() - began == 10


def waiting(seconds, answer):
    async def wait(request):
        await asyncio.sleep(seconds)
        return answer

    return wait


def slow_middleware(next_middleware):
    async def slow(handler, request):
        await asyncio.sleep(11)
        return await next_middleware(handler, request)

    return slow


@pytest.mark.parametrize(
    ("own", "data", "passed"),
    [
        pytest.param({}, {}, 10, id="neither"),
        pytest.param({"accept_s": 30}, {}, 30, id="decorator"),
        pytest.param({"accept_s": 5}, {"limits": {"accept_s": 30}}, 30, id="row"),
        pytest.param({"accept_s": 30}, {"limits": {"accept_s": 5}}, 5, id="row-lowers"),
        pytest.param({}, {"limits": {"accept_s": 30}, "middlewares": [slow_middleware]}, 30, id="a-middleware-of-the-row-waits"),
        pytest.param({"accept_s": 30}, {"middlewares": [slow_middleware]}, 10, id="a-middleware-waits-before-the-decorator-is-asked"),
    ],
)
def test_a_row_and_the_decorator_set_the_deadline_of_a_handshake(own, data, passed):
    @websocket(on_connect=waiting(100, {}), **own)
    async def never(scope, receiver):
        yield {}

    @virtual_time
    async def run():
        began = asyncio.get_running_loop().time()
        app = build_server(apply_middleware(wrap_routes([("/", ["WS"], never, data)]))(standard_not_found))
        assert told(await serve(app, websocket_scope(**EXTENDED), CONNECT))[0] == 503
        assert asyncio.get_running_loop().time() - began == passed

    run()


@virtual_time
async def test_a_handshake_may_take_as_long_as_the_decorator_says():
    @websocket(on_connect=waiting(29, ws_accept()), accept_s=30)
    async def short(scope, receiver):
        yield ws_close()

    assert (await serve(build_server(short), websocket_scope(), CONNECT))[0]["type"] == "websocket.accept"


@pytest.mark.parametrize(("scope", "seconds"), [(http_scope(), 60), (websocket_scope(**EXTENDED), 10)], ids=["http", "websocket"])
def test_the_wait_for_a_start_has_a_deadline(scope, seconds):
    @virtual_time
    async def run():
        app = app_of(text("x"), on_start=waiting(1000, {}))
        began = asyncio.get_running_loop().time()
        assert told(await serve(app, scope, *([CONNECT] if scope["type"] == "websocket" else [])))[0] == 503
        assert asyncio.get_running_loop().time() - began == seconds
        app._life._owner.cancel()
        await asyncio.wait([app._life._owner])

    run()


async def test_a_handshake_without_a_lifespan_starts_the_app():
    app = app_of(lambda request: text(request["config"]["a"], 403), on_start=answering({"a": "b"}))
    assert told(await serve(app, websocket_scope(**EXTENDED), CONNECT))[2] == b"b"
    app._life._owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await app._life._owner


@pytest.mark.parametrize(
    ("scope", "first"),
    [(websocket_scope(**EXTENDED), CONNECT), (http_scope(), part(b"", False))],
    ids=["a handshake", "a stream of events"],
)
async def test_what_the_shutdown_overtakes_is_503(scope, first):
    gate = asyncio.Event()

    async def slow(request):
        await gate.wait()
        return conversation()

    app = build_server(slow)
    async with lifespan(app):
        server = FakeServer(scope, [first])
        server.start(app)
        await server.settle()
    gate.set()
    await server.end()
    assert told(server.sent)[0] == 503


# ---- a conversation over GET


async def test_a_conversation_for_a_GET_is_a_stream_of_events():
    status, headers, body = told(await serve(app_of(conversation("hi", headers={"set-cookie": ["a=1"], "content-type": "x/y"}))))
    assert (status, headers[b"content-type"], headers[b"set-cookie"]) == (200, b"text/event-stream", b"a=1")
    assert body == b': \n\ndata: hi\n\nevent: close\nid: end\ndata: {"code":1000,"reason":""}\n\n'


async def test_its_effects_come_before_the_first_byte_and_a_failed_one_instead_of_it():
    server = FakeServer(http_scope(), [part(b"", False)])

    async def note(effect, scope):
        server.noted = len(server.sent)

    await server.run(app_of(conversation(effects=[{"type": "note"}]), effects={"note": note}))
    assert (server.noted, server.sent[0]["status"]) == (0, 200)
    assert told(await serve(app_of(conversation(effects=[{"type": "unknown"}]))))[0] == 500


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 500)])
async def test_a_conversation_for_another_method_does_not_begin(method, status):
    assert told(await serve(app_of(conversation("hi")), http_scope(method)))[0] == status
