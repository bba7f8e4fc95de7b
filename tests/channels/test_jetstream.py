"""shallot.channels.jetstream: subjects, headers and configurations as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallot.channels.contract import Kept
from shallot.channels.jetstream import (
    Record,
    Streams,
    format_epoch,
    format_headers,
    format_reminder,
    format_token,
    parse_record,
    parse_stored,
    parse_token,
)

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)


def streams(**changes):
    return Streams("app", **{"shards": 2, "replicas": 3, "storage": "memory", "max_keep": 10, "max_age_s": 3600.0, "dedupe_s": 60.0, **changes})


@given(names)
def test_a_token_holds_any_name(name):
    token = format_token(name)
    assert parse_token(token) == name
    assert token.isascii() and not set(token) & set(" .*>\t\r\n\0")


@given(names, st.integers(0, 10**6), st.floats(0, 1e9), st.floats(0, 1e9))
def test_headers_come_back(identity, keep, ttl_s, dedupe_s):
    headers = format_headers("channel", identity, Kept(keep, ttl_s, dedupe_s))
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    assert parse_record(7, "subject", headers, b"data", 1.5) == Record(7, "subject", identity, keep, ttl_s, b"data", 1.5, (7, identity))
    assert ("Nats-Msg-Id" in headers) == (dedupe_s > 0)


def test_the_same_id_in_another_channel_is_another_one():
    kept = Kept(1, 1, 1)
    ids = [format_headers(channel, identity, kept)["Nats-Msg-Id"] for channel, identity in [("a", "b"), ("a", "c"), ("ab", ""), ("b", "b")]]
    assert len(set(ids)) == 4


def test_what_the_server_answers():
    message = {
        "seq": 3,
        "subject": "s",
        "hdrs": "TkFUUy8xLjANClNoYWxsb3QtSWQ6IGElMjBiDQpTaGFsbG90LUtlcHQ6IDUgMC41DQoNCg==",
        "data": "MQ==",
        "time": "1970-01-01T00:00:02Z",
    }
    assert parse_stored(message) == Record(3, "s", "a b", 5, 0.5, b"1", 2.0, (3, "a b"))
    assert parse_stored({"seq": 3, "subject": "s", "time": "1970-01-01T00:00:02Z"}) == Record(3, "s", "", 0, 0.0, b"", 2.0, (3, "")), "a birth"


@given(names | st.just(""))
def test_a_reminder_is_of_where_it_found_the_channel(identity):
    record = Record(7, "subject", identity, 5, 0.5, b"data", 1.0, (7, identity))
    for number in (9, 12):  # and one of a reminder is of the same
        headers = format_reminder(record)
        assert headers["Nats-Expected-Last-Subject-Sequence"] == str(record.number)
        assert all(value.isascii() and value.isprintable() for value in headers.values())
        record = parse_record(number, "subject", headers, b"", 2.0)
        assert record == Record(number, "subject", "", 5, 0.5, b"", 2.0, (7, identity))


@given(st.datetimes(), st.datetimes())
def test_streams_of_different_times_have_different_epochs(one, other):
    epochs = [format_epoch(f"{time.isoformat()}Z") for time in (one, other)]
    assert (epochs[0] == epochs[1]) == (one == other)
    assert all(epoch.isascii() and epoch.isalnum() and len(epoch) <= 32 for epoch in epochs)


def test_each_channel_has_its_shard():
    some = streams()
    used = {some.log(f"channel {number}") for number in range(50)}
    assert used == {"app-log-0", "app-log-1"} == set(some.logs)
    for channel in ("a", "b", "c.d*"):
        shard = some.log(channel)[-1]
        assert some.said(channel) == f"app.log.{shard}.{format_token(channel)}.said"
        assert some.configs[some.log(channel)]["subjects"] == [f"app.log.{shard}.*.said"]


def test_subjects():
    some = streams()
    assert some.live("a.b") == "app.live.a%2Eb.>"
    assert some.member("c", "n.1", "m") == "app.here.c.n%2E1.m"
    assert (some.members("c"), some.members_of("n"), some.node("n"), some.nodes()) == ("app.here.c.*.*", "app.here.*.n.*", "app.node.n", "app.node.*")


def test_configurations():
    assert streams().configs["app-log-1"] == {
        "storage": "memory",
        "num_replicas": 3,
        "retention": "limits",
        "discard": "old",
        "subjects": ["app.log.1.*.said"],
        "republish": {"src": "app.log.1.>", "dest": "app.live.>"},
        "max_msgs_per_subject": 13,
        "max_age": 3600 * 10**9,
        "duplicate_window": 60 * 10**9,
    }
    assert streams(dedupe_s=7200.0).configs["app-log-0"]["duplicate_window"] == 3600 * 10**9, "no longer than the messages live"


@pytest.mark.parametrize(
    ("has", "changed"),
    [
        pytest.param({}, None, id="the-same"),
        pytest.param({"max_msgs_per_subject": 5}, {"max_msgs_per_subject": 13}, id="fewer-messages"),
        pytest.param({"max_age": 1, "duplicate_window": 1}, {"max_age": 3600 * 10**9, "duplicate_window": 60 * 10**9}, id="shorter"),
        pytest.param({"max_msgs_per_subject": 500, "max_age": 10**15}, None, id="more-is-left-alone"),
        pytest.param({"max_msgs_per_subject": -1, "max_age": 0}, None, id="unbounded-is-left-alone"),
    ],
)
def test_limits_are_raised_and_never_lowered(has, changed):
    some = streams()
    config = {**some.configs["app-log-0"], "description": "theirs", **has}
    assert some.raised("app-log-0", config) == (changed and {**config, **changed})
    assert some.raised("app-here", {"max_msgs_per_subject": 1, "max_age": 0, "duplicate_window": 120 * 10**9}) is None
