"""shallot.types: the vocabulary fits what the constructors make, and can be read at run time."""

from __future__ import annotations

import inspect
import typing
from typing import Any, get_type_hints

import pytest

from shallot import effects, types

TYPED_DICTS = [value for value in vars(types).values() if typing.is_typeddict(value)]


def test_the_module_has_typed_dicts():
    assert len(TYPED_DICTS) > 20


@pytest.mark.parametrize("kind", TYPED_DICTS, ids=lambda kind: kind.__name__)
def test_keys_can_be_read_at_run_time(kind):
    assert set(get_type_hints(kind)) == kind.__required_keys__ | kind.__optional_keys__


def keys(kind: Any) -> tuple[set[str], set[str]]:
    return set(kind.__required_keys__), set(kind.__optional_keys__)


@pytest.mark.parametrize(
    ("kind", "required", "optional"),
    [
        (
            types.Response,
            {"status"},
            {"headers", "body", "stream", "file", "cookies", "effects", "websocket", "session", "rotate_session", "flash", "compress"},
        ),
        (types.RouteMatch, {"path", "methods", "name", "data"}, set()),
        (
            types.RouteData,
            set(),
            {
                *("name", "summary", "middlewares", "limits", "max_body_bytes"),
                *("auth", "origins", "csrf", "rate_limit", "message_rate", "timeout_s", "compress"),
            },
        ),
        (types.Close, {"code", "reason", "by"}, set()),
        (types.Conversation, {"handler", "params", "subprotocol", "limits", "hooks", "taps"}, {"reads"}),
        (types.Spec, {"name", "options"}, set()),
        (types.Tap, set(), {"begin", "message", "effect", "result", "end"}),
        (types.Hooks, set(), {"on_disconnect", "on_close"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_keys_of_the_contract(kind, required, optional):
    assert keys(kind) == (required, optional)


@pytest.mark.parametrize("kind", [types.Request, types.WSScope])
def test_requests_share_the_keys_of_a_connection(kind):
    assert keys(types.Connection)[0] | {"type", "method"} == keys(kind)[0]
    assert keys(types.Connection)[1] <= keys(kind)[1]


@pytest.mark.parametrize(
    ("effect", "kind"),
    [
        (effects.ws_send("x"), types.SendText),
        (effects.ws_send(b"x"), types.SendBytes),
        (effects.ws_close(1000, "bye"), types.SendClose),
        (effects.ws_accept("x", {"a": "b"}), types.Accept),
        (effects.after(1, "x"), types.TimerAfter),
        (effects.every(1, "x"), types.TimerEvery),
        (effects.cancel("x"), types.TimerCancel),
        (effects.unfeed("x"), types.FeedClose),
        (effects.subscribe("x", "c", "close", 1, {"id": "ann"}), types.ChannelSubscribe),
        (effects.unsubscribe("x"), types.ChannelUnsubscribe),
        (effects.publish("x", 1, "id"), types.ChannelPublish),
        (effects.members("x"), types.ChannelMembers),
        (effects.history("x", 1, "c"), types.ChannelHistory),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_effects_have_the_keys_of_their_types(effect, kind):
    required, optional = keys(kind)
    assert set(effect) == required | optional
    assert effect["type"] in typing.get_args(get_type_hints(kind)["type"])


def test_each_public_class_says_what_it_is():
    silent = [name for name, value in vars(types).items() if inspect.isclass(value) and value.__module__ == types.__name__ and not value.__doc__]
    assert silent == []


def test_what_only_checkers_know_is_harmless_at_run_time():
    assert types.ReadOnly[int] is int
    assert types.TypeVar("X", bound=int, default=int).__bound__ is int
