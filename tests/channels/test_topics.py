"""shallot.channels.topics: settings are checked at start, and found by the first pattern that fits."""

from __future__ import annotations

import pytest

from shallot.channels import memory_channels
from shallot.channels.contract import Kept
from shallot.channels.topics import DEFAULTS, Topic, Topics


@pytest.mark.parametrize(
    ("channel", "keep"),
    [("chat:a", 7), ("chat:", 7), ("chat", 100), ("CHAT:a", 100), ("chat:a:b", 7), ("x.chat:a", 100), ("chat:\n", 7), ("room7", 3), ("room77", 100)],
)
def test_the_first_pattern_that_fits(channel, keep):
    topics = Topics({"chat:*": {"keep": 7}, "chat:a": {"keep": 8}, "room?": {"keep": 3}}, local=True)
    assert topics.find(channel).keep == keep


def test_defaults():
    assert Topics(None, local=True).find("a") is DEFAULTS
    assert DEFAULTS == Topic(keep=100, ttl_s=300.0, presence=False, slow="close", lag=1000, lag_bytes=1_000_000)
    assert Topic(keep=3, ttl_s=2.0).kept == Kept(3, 2.0, 60.0)


@pytest.mark.parametrize(
    ("topics", "error", "complaint"),
    [
        ([("a", {})], TypeError, 'topics: expected a dict like {"chat:*": {"keep": 1000}}, got list'),
        ({7: {}}, TypeError, "topics: a pattern is a str like 'chat:*', not 7"),
        ({"": {}}, TypeError, "topics: a pattern is a str like 'chat:*', not ''"),
        ({"a": 7}, TypeError, "topics['a']: expected a dict of settings, got int"),
        ({"a": {"kept": 7, 3: 4}}, ValueError, "topics['a']: unknown 3, kept; known are keep, ttl_s,"),
        ({"a": {"keep": "7"}}, TypeError, "topics['a']: 'keep' must be an int, got '7'"),
        ({"a": {"keep": 7.5}}, TypeError, "'keep' must be an int, got 7.5"),
        ({"a": {"keep": True}}, TypeError, "'keep' must be an int, got True"),
        ({"a": {"keep": -1}}, ValueError, "'keep' must be from 0 to 1e+06, got -1"),
        ({"a": {"keep": 10**9}}, ValueError, "'keep' must be from 0 to 1e+06"),
        ({"a": {"lag": 0}}, ValueError, "'lag' must be from 1 to 1e+12, got 0"),
        ({"a": {"ttl_s": "x"}}, TypeError, "'ttl_s' must be a number, got 'x'"),
        ({"a": {"ttl_s": float("inf")}}, ValueError, "'ttl_s' must be from 0"),
        ({"a": {"ttl_s": float("nan")}}, ValueError, "'ttl_s' must be from 0"),
        ({"a": {"presence": 1}}, TypeError, "topics['a']: 'presence' must be a bool, got 1"),
        ({"a": {"allow": "public"}}, TypeError, "topics['a']: 'allow' must be a function (scope, channel) -> bool, got 'public'"),
        ({"a": {"slow": "drop"}}, ValueError, "topics['a']: 'slow' must be one of close, oldest, newest, latest, block; got 'drop'"),
        ({"a": {"slow": ["close"]}}, ValueError, "'slow' must be one of"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, (dict, list)) else "",
)
def test_mistakes_are_found_at_start(topics, error, complaint):
    with pytest.raises(error) as raised:
        memory_channels(topics)
    assert complaint in str(raised.value)


def test_publishers_can_only_wait_for_readers_of_their_own_process():
    assert Topics({"a": {"slow": "block"}}, local=True).check_slow("block") == "block"
    with pytest.raises(ValueError, match=r"^topics\['a'\]: slow='block' needs all readers in one process \(memory_channels\)"):
        Topics({"a": {"slow": "block"}}, local=False)
    with pytest.raises(ValueError, match="^subscribe: slow='block' needs all readers"):
        Topics(None, local=False).check_slow("block")
