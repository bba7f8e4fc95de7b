"""shallot.options: what build_server is given is checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import pytest

from shallot.limits import default_limits
from shallot.options import check_effects, check_options, check_resources, is_manager, join_limits


class Pool:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        return None


class Kill:
    async def __call__(self, effect, scope):
        return None


class Half:
    async def __aenter__(self):
        return self


@asynccontextmanager
async def pool(config):
    yield config


async def kill(effect, scope):
    return None


def test_options_of_their_kind_or_left_out_pass():
    check_options(Mapping, "a dict", resources={}, limits=None)
    check_options(Callable, "a function", on_start=print, on_stop=None)


@pytest.mark.parametrize(
    ("kind", "expected", "option", "complaint"),
    [
        (Mapping, "a dict", {"limits": [1]}, "build_server: limits must be a dict, not [1]"),
        (Callable, "a function", {"on_start": "start"}, "build_server: on_start must be a function, not 'start'"),
    ],
)
def test_others_are_refused_by_name(kind, expected, option, complaint):
    with pytest.raises(TypeError) as raised:
        check_options(kind, expected, **option)
    assert str(raised.value) == complaint


def test_limits_are_the_defaults_changed():
    assert join_limits({}, {}) == default_limits()
    assert join_limits({"body_s": 5, "idle_s": 60}, {"response_s": 7}) == {**default_limits(), "body_s": 5, "idle_s": 60, "response_s": 7}


def test_a_limit_and_its_shorthand_exclude_each_other():
    with pytest.raises(ValueError, match=r"^build_server: body_s is given by limits= and by its shorthand; leave out one of them$"):
        join_limits({"body_s": 5}, {"body_s": 5})


def test_limits_are_checked():
    with pytest.raises(ValueError, match="did you mean 'body_bytes'"):
        join_limits({"body_byte": 1}, {})


@pytest.mark.parametrize("function", [kill, Kill(), partial(kill, {})], ids=["function", "object", "partial"])
def test_effects_are_async(function):
    check_effects({"job.kill": function})


@pytest.mark.parametrize("function", [print, lambda effect, scope: None, Kill, None, "kill"])
def test_other_effects_are_refused(function):
    with pytest.raises(TypeError, match=r"the effect 'job.kill' must be an async function of \(effect, scope\), not .*; write async def$"):
        check_effects({"job.kill": function})


@pytest.mark.parametrize("resource", [pool, Pool(), Pool, pool({}), lambda config: Pool()])
def test_resources_can_be_entered_or_called(resource):
    check_resources({"db": resource})


@pytest.mark.parametrize("resource", [None, "db", object()])
def test_other_resources_are_refused(resource):
    with pytest.raises(TypeError, match="the resource 'db' cannot be entered: .*; give an async context manager, or a function"):
        check_resources({"db": resource})


@pytest.mark.parametrize(("value", "expected"), [(Pool(), True), (pool({}), True), (Pool, False), (Half(), False), (pool, False), (None, False)])
def test_a_manager_is_what_async_with_takes(value, expected):
    assert is_manager(value) is expected
