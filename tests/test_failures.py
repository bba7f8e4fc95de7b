"""shallot.failures: one record for each failure, and an answer that tells nothing of it."""

from __future__ import annotations

import json
import logging

import pytest

from shallot import middlewares
from shallot.deadline import DeadlinePassed
from shallot.errors import BadRequest, BodyTooLarge, ClientDisconnect, EffectRefused, Forbidden, PeerError, Unavailable
from shallot.failures import PUT_BY, add_cure, dress, report, report_cut
from shallot.response import problem, with_header
from shallot.validate import header_writer

SCOPE = {"type": "http", "method": "POST", "path": "/a\r\nb\x1b[2J\u202e" + "x" * 300, "query_string": b"token=secret", "headers": [(b"cookie", b"secret")]}


class Teapot(PeerError):
    status = 418


@pytest.mark.parametrize(
    ("error", "status", "answered", "level"),
    [
        (RuntimeError("secret <script>"), None, 500, "ERROR"),
        (EffectRefused("secret"), None, 500, "ERROR"),
        (Forbidden("secret"), None, 403, "ERROR"),
        (DeadlinePassed("secret"), 503, 503, "ERROR"),
        (ExceptionGroup("secret", [ValueError("a"), KeyError("b")]), None, 500, "ERROR"),
        (Unavailable("the broker is down"), None, 503, "WARNING"),
        (BadRequest("no host"), None, 400, "INFO"),
        (BodyTooLarge("more than 10"), None, 413, "INFO"),
        (Teapot("short and stout"), None, 418, "INFO"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_a_failure_is_one_record_and_a_small_answer(caplog, error, status, answered, level):
    caplog.set_level(logging.DEBUG)
    response = report(error, SCOPE, status)
    (record,) = caplog.records
    body = json.loads(response["body"])
    assert (response["status"], body["status"], record.levelname, record.name) == (answered, answered, level, "shallot")
    assert body["type"] == "about:blank"
    assert response["headers"]["content-type"] == "application/problem+json"
    assert (record.exc_info is not None) == (level == "ERROR")
    assert "secret" not in record.getMessage()
    assert b"secret" not in response["body"]


def test_a_500_and_its_record_carry_the_same_trace(caplog):
    body = json.loads(report(RuntimeError("x"), SCOPE)["body"])
    (record,) = caplog.records
    assert body == {"type": "about:blank", "title": "Internal Server Error", "status": 500, "trace": record.trace}
    assert len(bytes.fromhex(record.trace)) == 8
    assert record.trace in record.getMessage()


@pytest.mark.parametrize("error", [RuntimeError("x"), BadRequest("\r\nINFO fake\x1b[2J\u2028\u202e" + "y" * 300)], ids=["ours", "theirs"])
def test_what_a_client_sent_is_escaped_and_cut(caplog, error):
    caplog.set_level(logging.INFO)
    report(error, SCOPE)
    message = caplog.records[0].getMessage()
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 300


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (KeyError("json"), "if that was request['json']: wrap_json puts it there"),
        (KeyError("cookies"), "wrap_cookies puts it there; it must stand in apply_middleware(...), outside of what asks for it"),
        (KeyError("stream"), "if that was request['stream']: only requests that build_server(..., stream_body=...) chooses have it"),
        (KeyError("name"), ""),
        (KeyError(7), ""),
        (KeyError(), ""),
        (LookupError("json"), ""),
    ],
    ids=repr,
)
def test_a_key_that_nobody_put_there_is_told_with_its_middleware(caplog, error, cure):
    for _ in range(2):
        report(error, SCOPE)
    assert caplog.text.count("if that was") == (2 if cure else 0)
    assert cure in caplog.text


REQUEST_GIVEN = {"type": "http", "method": "GET", "headers": {}}


class Receiver:
    """Of the real one only the name is looked at."""


async def await_it(it):
    await it


def call_and_step(function, *given):
    answer = function(*given)
    if hasattr(answer, "send"):
        answer.send(None)


def layer(response):
    return {**response, "status": 200}


def fetch():
    response = 7
    return None + f"{response}"  # whose fault is not the response's


NO_RETURN = "if that was a layer's response: the handler returned None (it, or a middleware around it, lacks a return); expected a response dict"
ITERATED = "if that was the receiver: it is iterated, async for message in receiver; a single message is await anext(receiver)"


@pytest.mark.parametrize(
    ("mistake", "cure"),
    [
        (lambda: REQUEST_GIVEN.method, "a request is a dict: write request['method']"),
        (lambda: REQUEST_GIVEN.session, "a request is a dict: write request['session']; wrap_session puts it there; it must stand in apply_middleware"),
        (lambda: {**REQUEST_GIVEN, "session": {}}.session, "a request is a dict: write request['session']"),
        (lambda: {"type": "fruit"}.method, None),
        (lambda: {"type": "http"}.method, None),
        (lambda: (7).method, None),
        (lambda: call_and_step(await_it, Receiver()), ITERATED),
        (lambda: Receiver()(), ITERATED),
        (lambda: iter(Receiver()), ITERATED),
        (lambda: Receiver().receive_text, ITERATED),
        (lambda: call_and_step(await_it, {}), "a dict is not awaited: an effect is yielded, like yield ws_send('hi'), and a response returned"),
        (lambda: call_and_step(layer, None), NO_RETURN),
        (lambda: with_header(None, "a", "b"), NO_RETURN),
        (lambda: layer("hi"), "if that was a layer's response: the handler returned str; expected a response dict, like text('hi') or {'status': 200}"),
        (lambda: layer({}) + 1, None),
        (lambda: layer(**{"answer": 1}), None),
        (fetch, None),
        (lambda: header_writer()(None, REQUEST_GIVEN), None),
    ],
    ids="key layer's there no-request no-headers no-dict await call for other-api await-dict None helper str dict no-layer another's said-already".split(),
)
def test_what_was_meant_is_told_beside_the_error(mistake, cure):
    with pytest.raises((AttributeError, TypeError)) as raised:
        mistake()
    for _ in range(2):
        add_cure(raised.value)
    notes = getattr(raised.value, "__notes__", [])
    assert [note.startswith(cure) for note in notes] == ([] if cure is None else [True])
    assert cure != "a request is a dict: write request['session']" or notes == [cure]


def test_an_error_that_was_never_raised_has_no_cure():
    error = TypeError("'NoneType' object is not a mapping")
    add_cure(error)
    assert not hasattr(error, "__notes__")


def test_the_middlewares_of_the_cures_are_real():
    assert set(PUT_BY.values()) <= set(middlewares.__all__)


def test_a_websocket_without_a_path_is_reported_too(caplog):
    report(RuntimeError("x"), {"type": "websocket"})
    assert caplog.records[0].getMessage().startswith("WS '' failed with 500 [")


@pytest.mark.parametrize(
    ("error", "level", "ours"),
    [
        (ClientDisconnect("left"), "DEBUG", False),
        (DeadlinePassed("took too long"), "INFO", False),
        (BodyTooLarge("too large"), "INFO", False),
        (ExceptionGroup("", [ClientDisconnect("left")]), "DEBUG", False),
        (OSError("disk"), "ERROR", True),
        (ExceptionGroup("", [OSError("disk"), ClientDisconnect("left")]), "ERROR", True),
    ],
    ids=["left", "slow", "peer", "group of one", "ours", "group"],
)
def test_a_cut_is_one_record_and_raised_where_it_is_ours(caplog, error, level, ours):
    caplog.set_level(logging.DEBUG)
    assert report_cut(error) is ours
    (record,) = caplog.records
    assert (record.levelname, record.exc_info is not None) == (level, ours)


# ---- what middlewares add to it

REQUEST = {"type": "http", "method": "GET", "path": "/", "headers": {}}


def add(name, value):
    return lambda response, request: with_header(response, name, f"{value} {request['path']}")


def fail(response, request):
    raise RuntimeError("broken")


def test_an_answer_is_dressed_innermost_first():
    answer, lines = dress(problem(413), REQUEST, [add("a", "inner"), add("b", "x"), add("a", "outer")], header_writer())
    assert (answer["headers"]["a"], answer["headers"]["b"]) == ("outer /", "x /")
    assert lines == header_writer()(answer, REQUEST)
    assert dress(problem(413), REQUEST, [], header_writer()) == (problem(413), header_writer()(problem(413), REQUEST))


@pytest.mark.parametrize(
    "change",
    [
        fail,
        lambda response, request: None,
        add("a", "b\r\nc: d"),
        lambda response, request: {**response, "status": 101},
        lambda response, request: {**response, "cookies": {"a": {"value": "b"}}},
        lambda response, request: {"status": 200, "stream": object()},
        lambda response, request: {"status": 200, "file": "/etc/passwd"},
    ],
    ids=["raises", "nothing", "header", "status", "cookies", "stream", "file"],
)
def test_a_change_that_fails_is_logged_and_left_out(caplog, change):
    answer, lines = dress(problem(400), REQUEST, [add("a", "1"), change, add("b", "2")], header_writer())
    assert (answer["status"], answer["body"], answer["headers"]["a"], answer["headers"]["b"]) == (400, problem(400)["body"], "1 /", "2 /")
    assert (b"b", b"2 /") in lines
    (record,) = caplog.records
    assert (record.levelname, record.exc_info is not None) == ("ERROR", True)
    assert "on_refusal failed; its change is left out" in record.getMessage()
