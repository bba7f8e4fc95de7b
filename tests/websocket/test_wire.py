from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shallot.websocket.wire import check_close, close_event, is_dict, kind_of, send_event, source_key

LEGAL = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


@pytest.mark.parametrize(
    ("effect", "error", "text"),
    [
        ("hello", TypeError, "got str 'hello'"),
        ("x" * 100, TypeError, "xxx..."),
        ({}, TypeError, "needs a 'type'"),
        ({"type": 3, "n": 1}, TypeError, "['n', 'type']"),
    ],
    ids=["str", "long", "no type", "type is int"],
)
def test_kind_of_refuses_what_is_no_effect(effect, error, text):
    with pytest.raises(error) as told:
        kind_of(effect)
    assert text in str(told.value)


def test_kind_of():
    assert kind_of({"type": "x"}) == "x"
    assert is_dict({}) and not is_dict([])


@pytest.mark.parametrize(
    ("effect", "event"),
    [
        ({"type": "websocket.send", "text": "hi"}, {"type": "websocket.send", "text": "hi"}),
        ({"type": "websocket.send", "text": "é", "bytes": None}, {"type": "websocket.send", "text": "é"}),
        ({"type": "websocket.send", "text": None, "bytes": b""}, {"type": "websocket.send", "bytes": b""}),
        ({"type": "websocket.send", "text": "", "more": 1}, {"type": "websocket.send", "text": ""}),
    ],
    ids=["text", "text and no bytes", "bytes and no text", "unknown keys are left out"],
)
def test_send_event(effect, event):
    assert send_event(effect) == event


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({}, "exactly one"),
        ({"text": "a", "bytes": b"b"}, "exactly one"),
        ({"text": b"a"}, "'text' must be a str, got bytes"),
        ({"bytes": "a"}, "'bytes' must be bytes, got str"),
        ({"bytes": bytearray(1)}, "'bytes' must be bytes"),
    ],
    ids=["neither", "both", "bytes as text", "str as bytes", "bytearray"],
)
def test_send_event_refuses(keys, error):
    with pytest.raises(TypeError, match=error):
        send_event({"type": "websocket.send", **keys})


def test_a_lone_surrogate_is_no_text():
    with pytest.raises(ValueError, match="surrogates not allowed"):
        send_event({"type": "websocket.send", "text": "\ud800"})


@given(st.integers(-10, 70000))
def test_only_codes_that_a_close_frame_may_carry_pass(code):
    if code in LEGAL:
        assert check_close(code, "") == (code, "")
    else:
        with pytest.raises(ValueError, match=f"code {code} may not be sent"):
            check_close(code, "")


@given(st.text("aé€😀", min_size=30, max_size=124) | st.text(st.sampled_from("a\ud800"), max_size=5) | st.text())
@example("a" * 123)
@example("a" * 124)
@example("é" * 62)
def test_reasons_have_at_most_123_bytes(reason):
    try:
        size = len(reason.encode())
    except UnicodeEncodeError:
        size = 1000
    if size <= 123:
        assert check_close(1000, reason) == (1000, reason)
    else:
        with pytest.raises(ValueError, match="bytes of UTF-8|surrogates"):
            check_close(1000, reason)


@pytest.mark.parametrize(("code", "reason", "error"), [(True, "", "'code'"), ("1000", "", "'code'"), (None, "", "'code'"), (1000, b"", "'reason'")])
def test_check_close_refuses_other_types(code, reason, error):
    with pytest.raises(TypeError, match=error):
        check_close(code, reason)


@pytest.mark.parametrize(
    ("effect", "expected"),
    [({}, (1000, "")), ({"code": 4000, "reason": "x"}, (4000, "x")), ({"reason": None}, (1000, ""))],
    ids=["defaults", "both", "no reason"],
)
def test_close_event(effect, expected):
    assert close_event({"type": "websocket.close", **effect}) == expected


def test_a_reason_of_124_bytes_is_one_too_many():
    assert check_close(1000, "x" * 123) == (1000, "x" * 123)
    with pytest.raises(ValueError, match="at most 123 bytes of UTF-8, this one has 124"):
        check_close(1000, "é" * 62)


def test_source_key():
    assert source_key({"type": "feed.open", "name": "log"}) == ("feed", "log")
    with pytest.raises(TypeError, match=r"timer.after: 'name' must be a str, got int 3"):
        source_key({"type": "timer.after", "name": 3})
