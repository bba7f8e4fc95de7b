"""shallot.effects: constructors make exact dicts, and refuse what cannot be meant."""

from __future__ import annotations

import pytest

from shallot import effects
from shallot.codec.json import parse_json
from shallot.effects import (
    after,
    cancel,
    every,
    feed,
    history,
    members,
    publish,
    subscribe,
    unfeed,
    unsubscribe,
    ws_accept,
    ws_close,
    ws_send,
    ws_send_json,
)


def row(*values: object, id: str) -> object:
    return pytest.param(*values, id=id)


async def items():
    yield 1


ITEMS = items()


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        row(ws_send("hi"), {"type": "websocket.send", "text": "hi"}, id="text"),
        row(ws_send(""), {"type": "websocket.send", "text": ""}, id="empty-text"),
        row(ws_send(b"hi"), {"type": "websocket.send", "bytes": b"hi"}, id="bytes"),
        row(ws_send_json({"a": [1, None, "é"]}), {"type": "websocket.send", "text": '{"a":[1,null,"é"]}'}, id="json"),
        row(ws_close(), {"type": "websocket.close", "code": 1000}, id="close"),
        row(ws_close(1001), {"type": "websocket.close", "code": 1001}, id="close-code"),
        row(ws_close(4000, "bye"), {"type": "websocket.close", "code": 4000, "reason": "bye"}, id="close-reason"),
        row(ws_close(reason=""), {"type": "websocket.close", "code": 1000}, id="close-empty-reason"),
        row(ws_accept(), {"type": "websocket.accept", "subprotocol": None}, id="accept"),
        row(ws_accept(subprotocol="x"), {"type": "websocket.accept", "subprotocol": "x"}, id="accept-subprotocol"),
        row(ws_accept(headers={}), {"type": "websocket.accept", "subprotocol": None}, id="accept-no-headers"),
        row(ws_accept("x", {"a": "b"}), {"type": "websocket.accept", "subprotocol": "x", "headers": {"a": "b"}}, id="accept-headers"),
        row(after(2.5, "late"), {"type": "timer.after", "seconds": 2.5, "name": "late"}, id="after"),
        row(every(1, "tick"), {"type": "timer.every", "seconds": 1, "name": "tick"}, id="every"),
        row(cancel("tick"), {"type": "timer.cancel", "name": "tick"}, id="cancel"),
        row(feed("log", ITEMS), {"type": "feed.open", "name": "log", "iterable": ITEMS}, id="feed"),
        row(unfeed("log"), {"type": "feed.close", "name": "log"}, id="unfeed"),
        row(subscribe("a"), {"type": "channel.subscribe", "channel": "a"}, id="subscribe"),
        row(
            subscribe("a", cursor="c", slow="oldest", batch=64, member={"id": "ann"}),
            {"type": "channel.subscribe", "channel": "a", "cursor": "c", "slow": "oldest", "batch": 64, "member": {"id": "ann"}},
            id="subscribe-all",
        ),
        row(unsubscribe("a"), {"type": "channel.unsubscribe", "channel": "a"}, id="unsubscribe"),
        row(publish("a", None), {"type": "channel.publish", "channel": "a", "data": None}, id="publish"),
        row(publish("a", [1], "x"), {"type": "channel.publish", "channel": "a", "data": [1], "id": "x"}, id="publish-id"),
        row(members("a"), {"type": "channel.members", "channel": "a"}, id="members"),
        row(history("a"), {"type": "channel.history", "channel": "a", "limit": 100}, id="history"),
        row(history("a", 2, before="c"), {"type": "channel.history", "channel": "a", "limit": 2, "before": "c"}, id="history-before"),
    ],
)
def test_exact(effect, expected):
    assert effect == expected


@pytest.mark.parametrize(
    ("make", "error", "complaint"),
    [
        row(lambda: ws_send({"a": 1}), TypeError, "ws_send: expected str or bytes, got dict; for JSON there is ws_send_json", id="send-dict"),
        row(lambda: ws_send(None), TypeError, "ws_send: expected str or bytes, got NoneType", id="send-none"),
        row(lambda: ws_send(bytearray()), TypeError, "ws_send: expected str or bytes, got bytearray", id="send-bytearray"),
        row(lambda: ws_close("1000"), TypeError, "ws_close: code must be an int, got '1000'", id="close-str"),
        row(lambda: ws_close(True), TypeError, "ws_close: code must be an int, got True", id="close-bool"),
        row(lambda: ws_close(1000, b"x"), TypeError, "ws_close: reason must be a str, got b'x'", id="close-bytes"),
        row(lambda: ws_close(1000, None), TypeError, "ws_close: reason must be a str, got None", id="close-none"),
        row(lambda: ws_send_json(float("nan")), ValueError, "", id="json-nan"),
        row(lambda: ws_send_json(object()), TypeError, "", id="json-object"),
    ],
)
def test_refused(make, error, complaint):
    with pytest.raises(error) as raised:
        make()
    assert complaint in str(raised.value)


def test_what_is_sent_as_json_reads_back():
    value = {"text": "é\u2028", "n": [1, 2.5, True, None], "nested": {"": []}}
    assert parse_json(ws_send_json(value)["text"].encode()) == value


def test_no_ids_and_no_times():
    assert (after(1, "a"), ws_send("x")) == (after(1, "a"), ws_send("x"))


def test_public_names():
    assert set(effects.__all__) == {name for name, value in vars(effects).items() if getattr(value, "__module__", "") == "shallot.effects"}
