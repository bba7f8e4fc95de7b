"""shallot.limits: one table, and the check that each dict of limits passes."""

from __future__ import annotations

import pytest

from shallot.limits import CONVERSATION_LIMITS, LIMITS, check_limits, default_limits, own_limits
from shallot.types import ConversationLimits, Limits


def row(*values: object, id: str) -> object:
    return pytest.param(*values, id=id)


def test_the_table_and_the_types_name_the_same_limits():
    assert set(LIMITS) == Limits.__required_keys__ | Limits.__optional_keys__
    assert set(CONVERSATION_LIMITS) == set(ConversationLimits.__optional_keys__)
    assert not Limits.__required_keys__


DEFAULTS = {
    "header_lines": 128,
    "header_bytes": 32_768,
    "query_bytes": 16_384,
    "body_bytes": 1_048_576,
    "body_s": 30,
    "body_min_rate": 500,
    "stream_bytes": 104_857_600,
    "response_s": 60,
    "send_s": 20,
    "effects_s": 5,
    "max_message_bytes": 1_048_576,
    "max_unread": 64,
    "max_unread_bytes": 1_048_576,
    "max_sources": 1000,
    "accept_s": 10,
    "idle_s": None,
    "linger_s": 5,
    "unread_s": 5,
    "stuck_s": 60,
    "hook_s": 5,
    "shutdown_s": 10,
}


def test_defaults():
    assert default_limits() == DEFAULTS


def test_default_limits_are_fresh():
    default_limits()["body_bytes"] = 1
    assert default_limits() == DEFAULTS


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_says_its_unit_and_what_is_beyond_it(name):
    assert LIMITS[name].unit
    assert LIMITS[name].over


@pytest.mark.parametrize(
    ("limits", "local"),
    [
        row({}, False, id="none"),
        row(DEFAULTS, False, id="the-defaults"),
        row({"body_bytes": 1, "send_s": 0.5}, False, id="numbers"),
        row({"idle_s": None}, True, id="off"),
        row({name: 1 for name in CONVERSATION_LIMITS}, True, id="all-local"),
    ],
)
def test_legal(limits, local):
    check_limits(limits, where="here", local=local)


def test_limits_of_the_whole_app_are_the_default():
    check_limits({"body_s": 1}, where="here")


@pytest.mark.parametrize(
    ("limits", "local", "error", "complaint"),
    [
        row({"body_byte": 1}, False, ValueError, "here: no limit is named 'body_byte'; did you mean 'body_bytes'?", id="misspelt"),
        row({"zzz": 1}, False, ValueError, "here: no limit is named 'zzz'; the names are accept_s, body_bytes, body_min_rate, ", id="unknown"),
        row({1: 1}, False, ValueError, "here: no limit is named 1; the names are accept_s", id="no-str"),
        row({"zzz": 1}, True, ValueError, "the names are accept_s, idle_s, linger_s, ", id="unknown-local"),
        row({"idle_s": None, "body_s": 0}, False, ValueError, "here: limit 'body_s' must be above zero", id="after-one-that-is-off"),
        row({"body_s": 1}, True, ValueError, "here: limit 'body_s' holds for the whole app; set it with build_server(limits={'body_s': ...})", id="not-local"),
        row({"body_s": None}, False, ValueError, "here: limit 'body_s' cannot be off; expected a number of seconds", id="cannot-be-off"),
        row({"body_s": "1"}, False, TypeError, "here: limit 'body_s' must be a number of seconds, not '1'", id="text"),
        row({"body_s": True}, False, TypeError, "here: limit 'body_s' must be a number of seconds, not True", id="bool"),
        row({"body_s": 0}, False, ValueError, "here: limit 'body_s' must be above zero and finite (seconds), not 0", id="zero"),
        row({"body_s": -1}, False, ValueError, "must be above zero and finite (seconds), not -1", id="negative"),
        row({"body_s": float("inf")}, False, ValueError, "must be above zero and finite (seconds), not inf", id="infinite"),
        row({"body_s": float("nan")}, False, ValueError, "must be above zero and finite (seconds), not nan", id="nan"),
        row({"max_unread": 1.5}, False, TypeError, "here: limit 'max_unread' must be a whole number of messages, not 1.5", id="fraction-of-a-message"),
        row({"body_bytes": 0.5}, False, TypeError, "here: limit 'body_bytes' must be a whole number of bytes, not 0.5", id="fraction-of-a-byte"),
    ],
)
def test_refused(limits, local, error, complaint):
    with pytest.raises(error) as raised:
        check_limits(limits, where="here", local=local)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("request_", "limits"),
    [
        row({}, {"send_s": 20, "idle_s": 1}, id="neither"),
        row({"route": {"data": {}}}, {"send_s": 20, "idle_s": 1}, id="row-without"),
        row({"route": {"data": {"limits": {"send_s": 5}}}}, {"send_s": 5, "idle_s": 1}, id="row"),
        row({"limits": {"send_s": 1}, "route": "mine"}, {"send_s": 20, "idle_s": 1}, id="keys-of-another"),
        row({"conversation_limits": {"send_s": 4}, "route": {"data": {"limits": {"send_s": 5}}}}, {"send_s": 4, "idle_s": 1}, id="conversation"),
    ],
)
def test_the_nearest_limits_win(request_, limits):
    assert own_limits(request_, {"send_s": 20, "idle_s": 1}) == limits
