"""shallot.sending: a response goes out by the events that suit its request, and what it streams from is closed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from shallot.deadline import DeadlinePassed
from shallot.errors import BadRequest, ClientDisconnect, Unavailable
from shallot.limits import default_limits
from shallot.sending import TURN_EVERY, close_stream, hang_up, open_content, prepare, send_answer
from shallot.testing.clock import virtual_time
from shallot.testing.fakes import FakeServer
from shallot.testing.scopes import http_scope, websocket_scope

LIMITS = default_limits()
DENIED = {"extensions": {"websocket.http.response": {}}}


class Stream:
    """An async iterator that remembers what was asked of it."""

    def __init__(self, *chunks, error=None, closing=None):
        self.chunks = list(chunks)
        self.error = error
        self.closing = closing
        self.asked = 0
        self.closed = 0

    def __aiter__(self):
        return self

    async def __anext__(self):
        self.asked += 1
        if self.chunks:
            return self.chunks.pop(0)
        if self.error:
            raise self.error
        raise StopAsyncIteration

    async def aclose(self):
        self.closed += 1
        if self.closing:
            await self.closing()


class Several:
    """An async iterable that gives another iterator."""

    def __init__(self, iterator):
        self.iterator = iterator
        self.closed = 0

    def __aiter__(self):
        return self.iterator

    async def aclose(self):
        self.closed += 1


async def watch(work):
    return await work(lambda: False)


async def in_thread(function, *args):
    return function(*args)


async def send_to(scope, response, content=None, headers=None, watch=watch):
    """The events that went out, and the error that came back."""
    server = FakeServer(scope)
    try:
        await send_answer(response, headers or [], content, scope, server.send, LIMITS, watch)
    except Exception as error:
        return server.sent, error
    return server.sent, None


def bodies(events):
    return [event["body"] for event in events if event["type"].endswith("body")]


# ---- without a stream


@pytest.mark.parametrize(("version", "added"), [("1.0", 1), ("1.1", 1), ("2", 0), ("3", 0)])
def test_only_http_1_hangs_up(version, added):
    headers = [(b"a", b"b")]
    hang_up(headers, http_scope(http_version=version))
    assert headers == [(b"a", b"b"), *[(b"connection", b"close")] * added]


@pytest.mark.parametrize(
    ("scope", "response", "expected"),
    [
        (http_scope(), {"status": 200, "body": b"hi"}, ("http.response.start", "http.response.body", b"hi")),
        (http_scope(), {"status": 200}, ("http.response.start", "http.response.body", b"")),
        (http_scope("HEAD"), {"status": 200, "body": b"hi"}, ("http.response.start", "http.response.body", b"")),
        (websocket_scope(**DENIED), {"status": 401, "body": b"no"}, ("websocket.http.response.start", "websocket.http.response.body", b"no")),
    ],
    ids=["GET", "empty", "HEAD", "denial"],
)
async def test_the_events_of_a_body(scope, response, expected):
    (start, body), error = await send_to(scope, response, headers=[(b"a", b"b")])
    assert error is None
    assert (start["type"], body["type"], body["body"]) == expected
    assert (start["status"], start["headers"]) == (response["status"], [(b"a", b"b")])


@pytest.mark.parametrize("extensions", [{}, {"extensions": None}, {"extensions": {"other": {}}}])
async def test_a_denial_without_the_extension_is_a_close(extensions):
    stream = Stream(b"x")
    scope = {key: value for key, value in websocket_scope().items() if key != "extensions"} | extensions
    assert await send_to(scope, {"status": 401, "stream": stream}, stream) == ([{"type": "websocket.close", "code": 1000}], None)
    assert (stream.asked, stream.closed) == (0, 1)


@pytest.mark.parametrize(
    ("scope", "status", "told"), [(websocket_scope(**DENIED), 200, True), (websocket_scope(**DENIED), 303, False), (http_scope(), 200, False)]
)
async def test_a_handshake_denied_with_success_names_the_decorator(caplog, scope, status, told):
    await send_to(scope, {"status": status})
    path = scope["path"]
    cure = "a conversation is decorated with @websocket, and a denial has a status of 300 or more"
    assert caplog.messages == ([f"WS '{path}': the handshake was denied with 200, as its handler answered that; {cure}"] if told else [])


async def test_a_file_is_sent_by_the_server():
    events, _ = await send_to(http_scope(extensions={"http.response.pathsend": {}}), {"status": 200, "file": "/a"}, Path("/a"))
    assert events[1:] == [{"type": "http.response.pathsend", "path": "/a"}]


# ---- streams


@pytest.mark.parametrize("scope", [http_scope(), websocket_scope(**DENIED)], ids=["response", "denial"])
async def test_a_stream_is_sent_chunk_by_chunk_and_closed(scope):
    stream = Stream(b"a", b"", b"b")
    events, error = await send_to(scope, {"status": 200, "stream": stream}, stream)
    assert error is None
    assert (bodies(events), [event.get("more_body") for event in events[1:]]) == ([b"a", b"b", b""], [True, True, None])
    assert stream.closed == 1


async def test_an_iterable_and_its_iterator_are_both_closed():
    stream = Stream(b"a")
    several = Several(stream)
    assert bodies((await send_to(http_scope(), {"status": 200, "stream": several}, stream))[0]) == [b"a", b""]
    assert (stream.closed, several.closed) == (1, 1)


async def test_head_takes_nothing_of_a_stream():
    stream = Stream(b"a")
    events, error = await send_to(http_scope("HEAD"), {"status": 200, "stream": stream}, stream)
    assert (bodies(events), error, stream.asked, stream.closed) == ([b""], None, 0, 1)


@pytest.mark.parametrize(
    ("stream", "announced", "sent", "error"),
    [
        (Stream(b"abc", b"de"), b"5", [b"abc", b"de", b""], None),
        (Stream(b"abc", b"def", b"ghi"), b"5", [b"abc", b"de"], None),
        (Stream(b"abc", b"def"), b"3", [b"abc", b""], None),
        (Stream(b"abc"), b"5", [b"abc"], ValueError),
        (Stream(b"abc", "def"), None, [b"abc"], TypeError),
        (Stream(b"abc", bytearray(b"x")), None, [b"abc"], TypeError),
        (Stream(b"abc", error=RuntimeError("broken")), None, [b"abc"], RuntimeError),
        (Stream(b"abc", error=OSError("disk")), None, [b"abc"], OSError),
    ],
    ids=["right", "more", "more after", "less", "str", "bytearray", "raises", "raises OSError"],
)
async def test_a_stream_and_its_length(stream, announced, sent, error):
    events, raised = await send_to(http_scope(), {"status": 200, "stream": stream}, stream, [(b"content-length", announced)] if announced else [])
    assert bodies(events) == sent
    assert type(raised) is (error or type(None))
    assert stream.closed == 1


@pytest.mark.parametrize(("chunks", "logged"), [((b"abcde",), False), ((b"abc", b"def"), True), ((b"abcde", b"f"), True), ((b"abcdef",), True)])
async def test_more_than_announced_is_logged_once(caplog, chunks, logged):
    stream = Stream(*chunks)
    await send_to(http_scope(), {"status": 200, "stream": stream}, stream, [(b"content-length", b"5")])
    assert [record.getMessage() for record in caplog.records] == [
        "a response's stream yields more than its content-length announces; the rest is not sent"
    ] * logged


@pytest.mark.parametrize("turns", [1, 3])
async def test_a_stream_that_never_waits_lets_others_run(turns):
    """Where ``send`` does not wait either, as to a client that left."""
    sent, stop = [], []

    async def endless():
        while not stop:
            yield b"x"
            if len(sent) > 1000:
                raise RuntimeError("nobody else had a turn")

    async def send(event):
        sent.append(event)

    def look(left):
        if left > 1:
            asyncio.get_running_loop().call_soon(look, left - 1)
        else:
            stop.append(True)

    asyncio.get_running_loop().call_soon(look, turns)
    stream = endless()
    await send_answer({"status": 200, "stream": stream}, [], stream, http_scope(), send, LIMITS, watch)
    assert len(sent) == turns * TURN_EVERY + 2


async def test_a_stream_that_swallows_its_cancellation_is_not_asked_again():
    stream = Stream(b"a", b"b", b"c")

    async def gone_after_one(work):
        return await work(lambda: stream.asked > 1)

    events, error = await send_to(http_scope(), {"status": 200, "stream": stream}, stream, [(b"content-length", b"9")], watch=gone_after_one)
    assert (bodies(events), error, stream.asked) == ([b"a", b""], None, 2)


async def test_a_client_that_left_is_no_oserror():
    stream, server = Stream(b"a", b"b"), FakeServer(http_scope())

    async def leave(work):
        server.leave()
        return await work(lambda: False)

    with pytest.raises(ClientDisconnect):
        await send_answer({"status": 200, "stream": stream}, [], stream, server.scope, server.send, LIMITS, leave)
    assert (len(server.sent), stream.closed) == (1, 1)


@pytest.mark.parametrize("stuck_after", [0, 1, 2, 3])
def test_each_event_has_its_deadline(stuck_after):
    stream = Stream(b"a", b"b")

    @virtual_time
    async def run():
        server = FakeServer(http_scope(), stuck_after=stuck_after)
        began = asyncio.get_running_loop().time()
        with pytest.raises(DeadlinePassed):
            await send_answer({"status": 200, "stream": stream}, [], stream, server.scope, server.send, LIMITS, watch)
        assert asyncio.get_running_loop().time() - began == LIMITS["send_s"]
        assert len(server.sent) == stuck_after

    run()
    assert stream.closed == 1


# ---- closing


async def test_what_cannot_be_closed_or_is_nothing_is_left():
    await close_stream(None, object(), seconds=1)


async def test_an_error_while_closing_is_logged_once(caplog):
    async def fail():
        raise RuntimeError("cannot")

    await close_stream(Stream(closing=fail), seconds=1)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", "a response's stream could not be closed")


@virtual_time
async def test_closing_has_a_deadline():
    stream, began = Stream(closing=asyncio.Event().wait), asyncio.get_running_loop().time()
    await close_stream(stream, seconds=5)
    assert (stream.closed, asyncio.get_running_loop().time() - began) == (1, 5)


async def test_a_generator_that_yields_while_it_is_closed_is_logged(caplog):
    async def stubborn():
        try:
            yield b"a"
        finally:
            yield b"b"

    generator = stubborn()
    await anext(generator)
    await close_stream(generator, seconds=1)
    assert "ignored GeneratorExit" in caplog.text
    with pytest.raises(GeneratorExit):
        await anext(generator)


# ---- before the first byte


async def prepared(response, perform):
    return await prepare(response, [], http_scope(), perform=perform, limits=LIMITS, run_in_thread=in_thread)


async def test_effects_are_performed_in_order_and_the_stream_is_opened():
    done, stream = [], Stream()

    async def perform(effect, request):
        done.append((effect["type"], request["type"]))

    assert await prepared({"stream": stream, "effects": [{"type": "a"}, {"type": "b"}]}, perform) is stream
    assert done == [("a", "http"), ("b", "http")]
    assert await prepared({"body": b""}, perform) is None


@pytest.mark.parametrize(
    ("failure", "raised", "complaint"),
    [
        (KeyError("x"), RuntimeError, "the effect 'a' of a response failed"),
        (BadRequest("x"), RuntimeError, "the effect 'a' of a response failed"),
        (TimeoutError(), Unavailable, "the effect 'a' of a response timed out"),
        (Unavailable("down"), Unavailable, "down"),
    ],
    ids=repr,
)
async def test_a_failed_effect_ends_the_others(failure, raised, complaint):
    done = []

    async def perform(effect, request):
        done.append(effect)
        raise failure

    with pytest.raises(raised, match=complaint):
        await prepared({"effects": [{"type": "a"}, {"type": "b"}]}, perform)
    assert done == [{"type": "a"}]


@virtual_time
async def test_effects_have_their_time_together():
    async def perform(effect, request):
        await asyncio.sleep(3)

    began = asyncio.get_running_loop().time()
    with pytest.raises(DeadlinePassed):
        await prepared({"effects": [{"type": "a"}, {"type": "b"}]}, perform)
    assert asyncio.get_running_loop().time() - began == LIMITS["effects_s"]


async def test_a_stream_is_closed_where_the_effects_are_cancelled():
    stream = Stream()

    async def perform(effect, request):
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await prepared({"stream": stream, "effects": [{"type": "a"}]}, perform)
    assert stream.closed == 1


# ---- files


async def test_what_is_no_file_is_opened_at_once():
    stream = Stream()
    assert await open_content({"stream": stream}, [], http_scope(), in_thread) is stream
    assert await open_content({"body": b"x"}, [], http_scope(), in_thread) is None


@pytest.mark.parametrize("size", [0, 5, 200_000])
async def test_a_file_is_read_and_its_length_told(tmp_path, size):
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    headers = []
    content = await open_content({"file": path}, headers, http_scope(), in_thread)
    assert headers == [(b"content-length", b"%d" % size)]
    assert b"".join([chunk async for chunk in content]) == b"x" * size


async def test_a_file_may_have_its_length_but_no_other(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    headers = [(b"content-length", b"5")]
    content = await open_content({"file": str(path)}, headers, http_scope(), in_thread)
    await content.aclose()
    assert headers == [(b"content-length", b"5")]
    with pytest.raises(ValueError, match="says 6 and the file has 5 bytes"):
        await open_content({"file": path}, [(b"content-length", b"6")], http_scope(), in_thread)


@pytest.mark.parametrize(("scope", "by_server"), [(http_scope, True), (websocket_scope, False)])
async def test_a_file_is_left_to_a_server_that_can_send_it(tmp_path, monkeypatch, scope, by_server):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(b"12345")
    headers = []
    content = await open_content({"file": "file"}, headers, scope(extensions={"http.response.pathsend": {}}), in_thread)
    assert headers == [(b"content-length", b"5")]
    if by_server:
        assert content == tmp_path / "file"
    else:
        await content.aclose()


async def test_a_file_that_is_none_is_an_error_before_anything_is_sent(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", "pipe", ""):
        with pytest.raises(OSError, match="missing" if name == "missing" else "must be a regular file"):
            await open_content({"file": tmp_path / name}, [], http_scope(), in_thread)


@virtual_time
async def test_a_file_does_not_wait_for_a_thread_for_ever():
    async def run_in_thread(function, *args):
        await asyncio.Event().wait()

    began = asyncio.get_running_loop().time()
    with pytest.raises(DeadlinePassed):
        await prepare({"file": "x"}, [], http_scope(), perform=None, limits=LIMITS, run_in_thread=run_in_thread)
    assert asyncio.get_running_loop().time() - began == LIMITS["response_s"]
