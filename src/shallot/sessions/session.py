"""The dict under ``request["session"]``: it notes whether anybody looked at it. Awaits nothing and knows no store."""

from __future__ import annotations

from asyncio import Event
from collections.abc import Callable
from functools import wraps
from typing import Any

from ..codec.json import format_json
from .record import Record

__all__ = ["Life", "Session", "rotate_session"]


class Life:
    """Whether the session of one id goes on. Its conversations in this process share one."""

    __slots__ = ("__weakref__", "ended")

    def __init__(self) -> None:
        self.ended = Event()


class Session(dict[str, Any]):
    """A dict like any other; every look at it, and every change, sets ``is_touched``."""

    __slots__ = ("before", "is_rotating", "is_touched", "keeper", "key", "life", "record")

    def __init__(self, data: dict[str, Any], key: str | None = None, record: Record | None = None, keeper: Any = None) -> None:
        super().__init__(data)
        self.key = key
        """What the browser sent, if that is the key of ``record``."""
        self.record = record
        """As it was read or written last; its ``data`` is not to be used. ``None``: no store has this session."""
        self.before = format_json(data) if data else b"{}"
        """What the store has."""
        self.keeper = keeper
        self.life: Life | None = None
        self.is_touched = False
        self.is_rotating = False

    def content(self) -> dict[str, Any]:
        """A copy, without a note."""
        return dict(super().items())  # its own copy() would ask keys()

    def __reduce_ex__(self, protocol: object) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        """``copy.deepcopy`` gives a plain dict: nobody copies a store."""
        self.is_touched = True
        return dict, (self.content(),)

    def replace(self, data: dict[str, Any]) -> None:
        """Hold ``data`` instead, without a note."""
        super().clear()
        super().update(data)


def _noting(name: str) -> Callable[..., Any]:
    plain = getattr(dict, name)

    @wraps(plain)
    def noted(self: Session, *args: Any, **keywords: Any) -> Any:
        self.is_touched = True
        return plain(self, *args, **keywords)

    return noted


_LOOKS = ("__contains__", "__eq__", "__getitem__", "__iter__", "__len__", "__ne__", "__or__", "__repr__", "__reversed__", "__ror__")
_CHANGES = ("__delitem__", "__ior__", "__setitem__")
_METHODS = ("clear", "copy", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values")

for _name in (*_LOOKS, *_CHANGES, *_METHODS):  # an __iter__ of its own is also what makes {**session} and dict(session) ask keys()
    setattr(Session, _name, _noting(_name))


def rotate_session(request: Any) -> None:
    """Give the session of ``request`` a new id: what belongs into every login, logout and change of rights. The old id is dead at once.

    Keys that begin with ``_`` belong to the id and go with it (the secret of ``wrap_csrf`` does); all others stay. Nothing happens to a plain dict, as in a
    test.

        >>> request = {"session": Session({"_csrf": "s", "cart": [1]})}
        >>> rotate_session(request)
        >>> request["session"]
        {'cart': [1]}
    """
    session = request.get("session")
    if session is None:
        raise TypeError('rotate_session: request has no "session"; put wrap_session outside it')
    for name in [name for name in session if name.startswith("_")]:
        del session[name]
    if isinstance(session, Session):
        session.is_rotating = True
