from __future__ import annotations

import json as stdlib_json
from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any

import pytest

from shallot.codec.json import format_json
from shallot.sessions.session import Life, Session, rotate_session


def match_user(session: Any) -> Any:
    match session:
        case {"user": user}:
            return user


LOOKS: dict[str, Callable[[Any], Any]] = {
    "in": lambda session: "user" in session,
    "len": len,
    "bool": bool,
    "get": lambda session: session.get("user"),
    "[]": lambda session: session["user"],
    "iteration": list,
    "reversed": lambda session: list(reversed(session)),
    "keys": lambda session: session.keys(),
    "values": lambda session: session.values(),
    "items": lambda session: session.items(),
    "copy": lambda session: session.copy(),
    "dict": dict,
    "**": lambda session: {**session},
    "|": lambda session: session | {},
    "| from the left": lambda session: {} | session,
    "update of another": lambda session: {}.update(session),
    "==": lambda session: session == {},
    "!=": lambda session: session != {},
    "== from the left": lambda session: {} == session,
    "repr": repr,
    "deepcopy": deepcopy,
    "shallow copy": copy,
    "match": match_user,
    "json": stdlib_json.dumps,
    "our json": format_json,
    "setdefault": lambda session: session.setdefault("user", "bob"),
    "pop": lambda session: session.pop("user", None),
    "popitem": lambda session: session.popitem(),
    "clear": lambda session: session.clear(),
    "update": lambda session: session.update({"user": "bob"}),
    "|=": lambda session: session.__ior__({"user": "bob"}),
    "[]=": lambda session: session.__setitem__("user", "bob"),
    "del": lambda session: session.__delitem__("user"),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_D10_each_look_is_noted(look: Callable[[Any], Any]) -> None:
    session, plain = Session({"user": "ann"}), {"user": "ann"}
    assert not session.is_touched
    given, expected = look(session), look(plain)
    assert session.is_touched
    assert list(given) == list(expected) if hasattr(expected, "__iter__") else given == expected
    assert session.content() == plain


@pytest.mark.parametrize("copied", [copy, deepcopy, Session.copy])
def test_a_copy_is_a_plain_dict(copied: Any) -> None:
    session = Session({"cart": [1]}, keeper=object())
    assert type(copied(session)) is dict
    assert (copied(session)["cart"] is session["cart"]) is (copied is not deepcopy)


def test_the_own_functions_note_nothing() -> None:
    session = Session({"user": "ann"})
    assert session.content() == {"user": "ann"}
    assert not session.is_touched
    session.replace({"n": 1})
    assert session.content() == {"n": 1}
    assert not session.is_touched


def test_a_session_that_no_store_has() -> None:
    session = Session({})
    assert (session.key, session.record, session.before, session.keeper, session.life) == (None, None, b"{}", None, None)
    assert not session.is_touched
    assert not session.is_rotating


def test_a_session_that_a_store_has() -> None:
    record: Any = {"id": "k", "version": 1, "created": 2, "seen": 3, "data": {"user": "ann"}}
    session = Session({"user": "ann"}, "k", record, keeper := object())
    assert (session.key, session.before, session.life) == ("k", b'{"user":"ann"}', None)
    assert session.record is record
    assert session.keeper is keeper


def test_every_method_of_dict_is_thought_of() -> None:
    """A new Python may bring a new way to look."""
    harmless = {"__class_getitem__", "__getattribute__", "__hash__", "__init__", "__new__", "__sizeof__", "__doc__", "fromkeys", "__dir__"}
    ordering = {"__ge__", "__gt__", "__le__", "__lt__"}  # refused: a dict has no order
    assert {name for name in vars(dict) if name not in vars(Session)} - harmless - ordering == set()


def test_rotate_session() -> None:
    session = Session({"_csrf": "s", "user": "ann"})
    rotate_session({"session": session})
    assert session.is_rotating
    assert session == {"user": "ann"}


def test_rotate_session_of_a_plain_dict() -> None:
    request = {"session": {"_csrf": "s", "user": "ann"}}
    rotate_session(request)
    assert request == {"session": {"user": "ann"}}


def test_rotate_session_without_one() -> None:
    with pytest.raises(TypeError, match='^rotate_session: request has no "session"; put wrap_session outside it$'):
        rotate_session({})


def test_a_life_has_not_ended() -> None:
    assert not Life().ended.is_set()
