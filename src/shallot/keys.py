"""SPEC.md's keys as tables: what may stand under each key of a request, a response, a conversation, an effect and a message."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, NamedTuple, TypeAlias

from .limits import check_limits
from .types import Hooks, Tap

__all__ = ["CONVERSATION", "EFFECTS", "MESSAGES", "REQUEST", "RESPONSE", "Key"]

Fits: TypeAlias = Callable[[Any], bool]


class Key(NamedTuple):
    """What may stand under one key."""

    fits: Fits
    expected: str
    """Said behind "expected" where it does not fit."""
    required: bool = False


# ---- kinds of values


def _is(*kinds: type) -> Fits:
    """A ``bool`` is no ``int`` here."""
    return lambda value: isinstance(value, kinds) and not isinstance(value, bool)


def _dict_of(fits: Fits) -> Fits:
    def fits_all(value: Any) -> bool:
        return issubclass(type(value), dict) and all(isinstance(name, str) and fits(one) for name, one in value.items())

    return fits_all


def _list_of(fits: Fits) -> Fits:
    def fits_all(value: Any) -> bool:
        return issubclass(type(value), (list, tuple)) and all(map(fits, value))

    return fits_all


def _is_anything(value: Any) -> bool:
    return True


def _is_type(value: Any) -> bool:
    return value in ("http", "websocket")


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_false(value: Any) -> bool:
    return value is False


def _is_seconds(value: Any) -> bool:
    return _is(int, float)(value) and 0 <= value < math.inf


def _is_iterable(value: Any) -> bool:
    return hasattr(value, "__aiter__")


def _is_method(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isupper() and value.isprintable() and " " not in value


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/") and "\ufffd" not in value and not any(ord(one) < 32 or ord(one) == 127 for one in value)


def _is_line(value: Any) -> bool:
    return len(value) == 2 and isinstance(value[0], bytes) and isinstance(value[1], bytes)


def _is_route(value: Any) -> bool:
    return issubclass(type(value), dict) and {"path", "methods", "name", "data"} <= value.keys()


def _is_limits(value: Any) -> bool:
    try:
        check_limits(value, where="", local=True)
    except (AttributeError, TypeError, ValueError):
        return False
    return True


def _is_code(value: Any) -> bool:
    return any(value in codes for codes in (range(1000, 1004), range(1007, 1015), range(3000, 5000)))  # RFC 6455 7.4


def _functions(*names: str) -> Fits:
    return lambda value: _dict_of(callable)(value) and set(names).issuperset(value)


# ---- the tables

_TEXT, _DATA, _LISTS = Key(_is(str), "a str"), Key(_is(bytes), "bytes"), Key(_dict_of(_list_of(_is(str))), "a dict of lists of str")
_NAME, _CHOICE = Key(_is(str), "a str", True), Key(_is(str, type(None)), "a str or None")

REQUEST: Mapping[str, Key] = {
    "type": Key(_is_type, "'http' or 'websocket'", True),
    "method": Key(_is_method, "a token in upper case", True),
    "path": Key(_is_path, "a str that begins with '/', without control characters", True),
    "headers": Key(_dict_of(_is(str)), "a dict of str", True),
    "headers_list": Key(_list_of(_is_line), "a list of pairs of bytes", True),
    "body": Key(_is(bytes), "bytes", True),
    "config": Key(_is(Mapping), "a dict", True),
    "run_in_thread": Key(callable, "a function"),
    "stream": Key(_is_iterable, "an async iterator of bytes"),
    "path_params": Key(_dict_of(_is_anything), "a dict, values by tag"),
    "route": Key(_is_route, "a dict of path, methods, name and data"),
    "overdue": Key(_is_bool, "True, or no such key"),
    "conversation_limits": Key(_is_limits, "a dict of limits that a conversation may set"),
    "params": _LISTS,
    "query_params": _LISTS,
    "form_params": _LISTS,
    "nested_params": Key(_dict_of(_is_anything), "a dict"),
    "files": Key(_dict_of(_list_of(_is(dict))), "a dict of lists of uploads"),
    "accepted_type": _CHOICE,
    "accepted_language": _CHOICE,
    "identity": Key(_is_anything, "anything"),
    "cookies": Key(_dict_of(_is(str)), "a dict of str"),
    "session": Key(_is(dict), "a dict"),
    "request_id": _TEXT,
}
"""SPEC 1, and the keys of our own middlewares; others are a user's own."""

RESPONSE: Mapping[str, Key] = {
    "status": Key(_is(int), "an int", True),
    "headers": Key(_is(Mapping), "a dict"),
    "body": _DATA,
    "stream": Key(_is_iterable, "an async iterable of bytes"),
    "file": Key(_is(str, PathLike), "a path"),
    "cookies": Key(_dict_of(_is(dict, type(None))), "a dict, name -> its attributes, or None"),
    "effects": Key(_list_of(_is(Mapping)), "a list of effects"),
    "session": Key(_is(Mapping, type(None)), "a dict or None"),
    "rotate_session": Key(_is_bool, "True or False"),
    "flash": Key(_list_of(_is(dict)), "a list of messages"),
    "compress": Key(_is_bool, "True or False"),
    "websocket": Key(_is(dict), "a dict; @websocket makes it"),
}
"""SPEC 2; other keys are a middleware's own."""

CONVERSATION: Mapping[str, Key] = {
    "handler": Key(callable, "a function", True),
    "params": Key(_is(list, tuple), "a list", True),
    "subprotocol": Key(_is(str, type(None)), "a str or None", True),
    "limits": Key(_is_limits, "a dict of limits that a conversation may set", True),
    "hooks": Key(_functions(*Hooks.__annotations__), f"a dict of functions: {', '.join(Hooks.__annotations__)}", True),
    "taps": Key(_list_of(_functions(*Tap.__annotations__)), f"a list of taps, dicts of functions: {', '.join(Tap.__annotations__)}", True),
    "reads": Key(_is_false, "False, or no such key"),
}
"""SPEC 3: what stands under ``websocket``."""

EFFECTS: Mapping[str, Mapping[str, Key]] = {
    "websocket.send": {"text": Key(_is(str, type(None)), "a str"), "bytes": Key(_is(bytes, type(None)), "bytes")},
    "websocket.close": {"code": Key(_is_code, "1000-1003, 1007-1014 or 3000-4999"), "reason": Key(_is(str, type(None)), "a str")},
    **{kind: {"seconds": Key(_is_seconds, "a number, not below 0", True), "name": _NAME}
       for kind in ("timer.after", "timer.every")},
    "timer.cancel": {"name": _NAME},
    "feed.open": {"name": _NAME, "iterable": Key(_is_iterable, "an async iterable", True)},
    "feed.close": {"name": _NAME},
}  # fmt: skip
"""SPEC 3: kind -> its keys. Of other kinds nothing is known."""

MESSAGES: Mapping[str, Mapping[str, Key]] = {
    "timer.fired": {"name": _NAME, "missed": Key(_is(int), "an int", True)},
    "feed.item": {"name": _NAME, "data": Key(_is_anything, "", True)},
    "feed.ended": {"name": _NAME},
    "feed.failed": {"name": _NAME, "error": Key(_is(BaseException), "an exception", True)},
}
"""SPEC 3: kind -> its keys. Of other kinds nothing is known."""
