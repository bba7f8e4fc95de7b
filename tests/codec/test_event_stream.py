from __future__ import annotations

import gc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.codec.event_stream import KEEP_ALIVE, format_event, parse_events

from .costs import cpu_seconds


@pytest.mark.parametrize(
    ("event", "sent"),
    [
        pytest.param("hi", b"data: hi\n\n", id="a str"),
        pytest.param("", b"data: \n\n", id="an empty str"),
        pytest.param(" a: b", b"data:  a: b\n\n", id="a leading space"),
        pytest.param("a\nb\rc\r\nd\n", b"data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n", id="all line ends"),
        pytest.param("käse", "data: käse\n\n".encode(), id="utf-8"),
        pytest.param("a\u2028b\x85c\x0bd", "data: a\u2028b\x85c\x0bd\n\n".encode(), id="line ends of others"),
        pytest.param({"data": "x"}, b"data: x\n\n", id="data"),
        pytest.param({"data": {"a": [1, None]}}, b'data: {"a":[1,null]}\n\n', id="JSON"),
        pytest.param({"data": None}, b"data: null\n\n", id="null"),
        pytest.param({"data": "x", "id": "7", "event": "e"}, b"event: e\nid: 7\ndata: x\n\n", id="name and id"),
        pytest.param({"event": "close"}, b"event: close\ndata: \n\n", id="a name alone"),
        pytest.param({"id": ""}, b"id: \n\n", id="no id any more"),
        pytest.param({"retry": 3000}, b"retry: 3000\n\n", id="retry"),
        pytest.param({"comment": "a\nb"}, b": a\n: b\n\n", id="a comment"),
        pytest.param({"comment": "x\rdata: y"}, b": x\n: data: y\n\n", id="a comment that would be data"),
    ],
)
def test_format_event(event: Any, sent: bytes) -> None:
    assert format_event(event) == sent


@pytest.mark.parametrize(
    ("event", "kind", "text"),
    [
        pytest.param(b"x", TypeError, "an event must be a str or a dict of comment, event, id, retry, data, not bytes", id="bytes"),
        pytest.param(None, TypeError, "an event must be a str or a dict of .*, not NoneType", id="nothing"),
        pytest.param({}, TypeError, "an event has some of the keys comment, event, id, retry, data, not none; put your own into data", id="an empty dict"),
        pytest.param({"data": "x", "name": "y"}, TypeError, "not 'data', 'name'; put your own into data", id="an unknown key"),
        pytest.param({"id": 7}, TypeError, r"an event's id must be a str, not int; write str\(...\)", id="an id that is a number"),
        pytest.param({"event": b"x"}, TypeError, "an event's event must be a str, not bytes", id="a name that is bytes"),
        pytest.param({"id": "7\ndata: x"}, ValueError, r"an event's id is one line without NUL, not '7\\ndata: x'", id="LF in an id"),
        pytest.param({"id": "7\rx"}, ValueError, "an event's id is one line", id="CR in an id"),
        pytest.param({"id": "7\0"}, ValueError, "an event's id is one line", id="NUL in an id"),
        pytest.param({"event": "a\nb"}, ValueError, "an event's event is one line", id="LF in a name"),
        pytest.param({"event": "a\r"}, ValueError, "an event's event is one line", id="CR in a name"),
        pytest.param({"retry": "1\ndata: x"}, ValueError, "an event's retry must be a whole number of milliseconds, not '1", id="a retry that is text"),
        pytest.param({"retry": 1.5}, ValueError, "whole number", id="half a millisecond"),
        pytest.param({"retry": True}, ValueError, "whole number", id="a bool"),
        pytest.param({"retry": -1}, ValueError, "whole number", id="before now"),
        pytest.param({"retry": 2**53}, ValueError, "whole number", id="for ever"),
        pytest.param({"data": float("nan")}, ValueError, "not JSON compliant", id="what JSON cannot say"),
        pytest.param("\ud800", ValueError, "surrogates", id="half a character"),
    ],
)
def test_what_is_no_event(event: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        format_event(event)


@pytest.mark.parametrize(
    ("stream", "events", "rest"),
    [
        pytest.param(b"", [], b"", id="nothing"),
        pytest.param(KEEP_ALIVE, [], b"", id="a comment"),
        pytest.param(b"data: a\n\ndata: b", [{"data": "a"}], b"data: b", id="half an event"),
        pytest.param(b"data: a\n\ndata: b\n", [{"data": "a"}], b"data: b\n", id="no blank line yet"),
        pytest.param(b"data\n\n", [{"data": ""}], b"", id="a field without colon"),
        pytest.param(b"data:a\n\n", [{"data": "a"}], b"", id="no space"),
        pytest.param(b"data:  a\n\n", [{"data": " a"}], b"", id="two spaces"),
        pytest.param(b"data: a\rdata: b\r\r", [{"data": "a\nb"}], b"", id="CR"),
        pytest.param(b"data: a\r\ndata: b\r\n\r\n", [{"data": "a\nb"}], b"", id="CRLF"),
        pytest.param(b"event: x\n\ndata: a\n\n", [{"data": "a"}], b"", id="a name without data is forgotten"),
        pytest.param(b"event: x\nevent\ndata: a\n\n", [{"data": "a"}], b"", id="a name taken back"),
        pytest.param(b"id: 1\n\n", [{"id": "1"}], b"", id="an id alone"),
        pytest.param(b"id: 1\0\ndata: a\n\n", [{"data": "a"}], b"", id="NUL in an id"),
        pytest.param(b"retry: 5\nretry: x\nretry: 99999999999999999\ndata: a\n\n", [{"data": "a", "retry": 5}], b"", id="retry"),
        pytest.param("retry: ²\ndata: a\n\n".encode(), [{"data": "a"}], b"", id="a digit that is none"),
        pytest.param(b"Data: a\nother: b\n: c\n\n", [], b"", id="unknown fields"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [{"data": "a"}], b"", id="a byte order mark"),
        pytest.param(b"data: \xff\n\n", [{"data": "\ufffd"}], b"", id="no UTF-8"),
    ],
)
def test_parse_events(stream: bytes, events: Any, rest: bytes) -> None:
    assert parse_events(stream) == (events, rest)


LINES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8)
EVENTS = st.fixed_dictionaries(
    {"data": st.text(st.characters(codec="utf-8", exclude_characters="\r"))},
    optional={"event": LINES.filter(bool), "id": LINES, "retry": st.integers(0, 2**53 - 1)},
)


@given(st.lists(EVENTS), st.integers(1, 40))
def test_what_is_sent_is_what_is_read_however_it_is_cut(events: Any, size: int) -> None:
    stream = b"".join(KEEP_ALIVE + format_event(event) for event in events)
    read, rest = [], b""
    for at in range(0, len(stream), size):
        found, rest = parse_events(rest + stream[at : at + size])
        read += found
    assert (read, rest) == (events, b"")


@given(st.text(st.sampled_from("a:\r\n\0 ") | st.characters(codec="utf-8")))
def test_data_never_becomes_a_field_of_its_own(text: str) -> None:
    events, rest = parse_events(format_event({"event": "only", "data": text}))
    assert ([(set(event), event["event"]) for event in events], rest) == ([({"data", "event"}, "only")], b"")


@given(
    st.lists(
        st.sampled_from([b"data: a\n", b"id: 1\n", b"data", b"event", b"id", b"retry", b":", b": ", b"1", b"a", b"\n", b"\n\n", b"\r\n", b"\r", b"\0", b"\xff"])
    ).map(b"".join)
    | st.binary()
)
def test_no_bytes_are_an_error(stream: bytes) -> None:
    events, rest = parse_events(stream)
    assert stream.endswith(rest)
    assert all(event.get("data") is not None or event.keys() & {"id", "retry"} for event in events)


@pytest.mark.parametrize("unit", [b"data: a\n", b"data: a\n\n", b"\n", b"\r", b":", b"id\n\n"], ids=ascii)
def test_reading_is_linear(unit: bytes) -> None:
    def seconds(times: int) -> float:
        stream = unit * times
        return cpu_seconds(lambda: parse_events(stream))

    gc.disable()  # what it looks through is the heap of the whole test run
    try:
        assert seconds(40_000) / seconds(10_000) < 6
    finally:
        gc.enable()
