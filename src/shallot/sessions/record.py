"""What a store keeps of a session, as a dict and as bytes, and the three functions that make a store. Knows no cookie and no request."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any, Protocol, TypedDict, cast

from ..codec.json import JSONError, format_json, parse_json

__all__ = ["ID_BYTES", "MAX_RECORD_BYTES", "Record", "SessionStore", "format_record", "is_same", "merge", "new_id", "parse_record", "stored_name"]

ID_BYTES = 32
"""Random bytes of an id: 256 bits."""
MAX_RECORD_BYTES = 65_536
"""The largest record that a store of ours keeps by default."""


class Record(TypedDict):
    """One session as a store keeps it. JSON values only."""

    id: str
    """256 random bits; rotation makes a new one."""
    version: int
    """Counts the writes of this id, from 1."""
    created: int
    """Seconds since 1970."""
    seen: int
    """When it was written last, in seconds since 1970."""
    data: dict[str, Any]
    """What ``request["session"]`` holds."""


class SessionStore(Protocol):
    """Where sessions are kept: any object with these three functions. A class, not a dict of functions, because a store has a life: connections, a bound, a
    clock.

    The *key* is what the browser's cookie carries: the record's ``id``, or all of the record, signed. A store that cannot be reached raises ``OSError``
    (``ConnectionError``, ``TimeoutError``) or ``errors.Unavailable``: the answer is then 503. Anything else that it raises is a 500.
    """

    async def read(self, key: str) -> Record | None:
        """The record under ``key``, not shared with anybody; ``None`` for a key that is unknown, expired, forged, or no key at all."""
        ...

    async def write(self, record: Record, ttl_s: float) -> str | None:
        """Keep ``record`` for ``ttl_s`` seconds, and give back its key, if what is kept of this id has the version before (none at all before version 1).

        ``None``, and nothing is written, if somebody else was faster: compare and set, in one step. ``ValueError`` for a record that is too large.
        """
        ...

    async def delete(self, key: str) -> Record | None:
        """Forget the record under ``key`` and give it back, in one step; ``None`` if there was none."""
        ...


def new_id() -> str:
    """A new id, of letters that a cookie may hold. Ids come from here alone: what a browser sends never becomes one."""
    return token_urlsafe(ID_BYTES)


def stored_name(key: str) -> str:
    """The name under which a store on the server keeps a session: a hash of the key.

    Who reads the store cannot use what he sees as a cookie, and how long a look-up takes says nothing about the keys that exist.

    >>> stored_name("abc")[:16]
    'ba7816bf8f01cfea'
    """
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def format_record(record: Record, max_bytes: int = MAX_RECORD_BYTES) -> bytes:
    """``record`` as compact JSON; ``TypeError`` or ``ValueError`` for what JSON cannot say, ``ValueError`` if it is larger than ``max_bytes``."""
    text = format_json(record)
    if len(text) > max_bytes:
        raise ValueError(f"the session is {len(text)} bytes, this store keeps {max_bytes}; keep less in it, or raise max_bytes")
    return text


def parse_record(text: bytes) -> Record | None:
    """The record that ``format_record`` wrote, or ``None`` for anything else. Never raises.

    >>> parse_record(b'{"id": "a", "version": 1, "created": 2, "seen": 3, "data": {}}')
    {'id': 'a', 'version': 1, 'created': 2, 'seen': 3, 'data': {}}
    >>> parse_record(b"junk")
    """
    try:
        value: dict[str, Any] = parse_json(text)
    except JSONError:
        return None
    is_record = type(value) is dict and value.keys() == _KINDS.keys() and all(type(value[name]) is kind for name, kind in _KINDS.items())
    return cast(Record, value) if is_record else None


_KINDS: Mapping[str, type] = {"id": str, "version": int, "created": int, "seen": int, "data": dict}


def merge(before: Mapping[str, Any], after: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """``current`` with what became different from ``before`` to ``after``, key by key at the top level: new and changed values are taken over, removed keys
    removed.

    >>> merge({"a": 1, "b": 1}, {"a": 2}, {"a": 1, "b": 1, "c": 3})
    {'a': 2, 'c': 3}
    """
    kept = {name: value for name, value in current.items() if name in after or name not in before}
    changed = {name: value for name, value in after.items() if name not in before or not is_same(value, before[name])}
    return {**kept, **changed}


def is_same(one: Any, other: Any) -> bool:
    """Whether both are the same JSON: ``1`` is not ``True``, a tuple is a list.

    >>> is_same(1, True), is_same((1, 2), [1, 2])
    (False, True)
    """
    return format_json(one) == format_json(other)
