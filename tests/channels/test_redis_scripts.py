"""shallot.channels.redis_scripts: what can be said of the texts. That they do what they should is for tests/channels/test_redis.py, on a Redis."""

from __future__ import annotations

import re

import pytest

from shallot.channels import redis_scripts

SCRIPTS = {name: getattr(redis_scripts, name) for name in redis_scripts.__all__}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_each_key_is_named_for_the_cluster(text: str) -> None:
    """A key that is not among KEYS may lie on another node."""
    keys = re.findall(r"redis\.call\('[A-Z]+', ([^,)]+)", text)
    assert keys
    assert {key for key in keys if not re.fullmatch(r"KEYS\[\d\]|HEAD|LOG|ARGV\[\d\]", key)} == set()
    assert all(f"redis.call('PUBLISH', {key}" in text for key in keys if key.startswith("ARGV")), "only a channel of pub/sub is no key"


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_nothing_escapes_to_globals(text: str) -> None:
    """Redis refuses a script that sets one, but only when the line is reached."""
    names = set(re.findall(r"^\s*(\w+)(?:, \w+)* = ", text, re.M))
    known = set(re.findall(r"local (?:function )?([\w, ]+)", text))
    assert names <= {name.strip() for group in known for name in group.split(",")}
