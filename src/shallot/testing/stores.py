"""What every session store must do, as cases. Those of ``shallot.sessions`` pass them, and yours shall."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from ..sessions.record import Record, SessionStore, new_id
from .failures import Unexpected

__all__ = ["StoreCase", "session_store_cases"]

StoreCase: TypeAlias = Callable[..., Awaitable[None]]
"""``await case(store, wait)``: ``Unexpected``, an ``AssertionError``, where the store does something else. ``wait`` is ``asyncio.sleep`` if left out."""
Wait: TypeAlias = Callable[[float], Awaitable[Any]]

_IN_A_COOKIE = re.compile(r"[A-Za-z0-9._~-]{43,4000}")
_LONG_S = 600.0
_SHORT_S = 1.0


def session_store_cases(*, in_cookie: bool = False) -> Mapping[str, StoreCase]:
    """Name -> case: rows for ``pytest.mark.parametrize``, each to be called with a fresh store.

    ``in_cookie``: only those for a store that keeps nothing itself.

    ``wait(seconds)`` puts the store's clock forward; a store with a clock of its own need not wait in earnest.

        >>> from shallot.sessions import memory_store
        >>> cases = session_store_cases()
        >>> asyncio.run(cases["what is written is read"](memory_store()))
    """
    return _ANYWHERE if in_cookie else {**_ANYWHERE, **_ON_A_SERVER}


def record(version: int = 1, of: str = "", **data: Any) -> Record:
    return {"id": of or new_id(), "version": version, "created": 1_700_000_000, "seen": 1_700_000_000 + version, "data": data}


def expect(value: object, expected: object, what: str) -> None:
    if value != expected:
        raise Unexpected(f"{what}: expected {expected!r}, got {value!r}")


async def kept(store: SessionStore, one: Record, ttl_s: float = _LONG_S) -> str:
    key = await store.write(one, ttl_s)
    if not isinstance(key, str):
        raise Unexpected(f"write of version {one['version']}: expected a key, got {key!r}")
    return key


async def what_is_written_is_read(store: SessionStore, wait: Wait = asyncio.sleep) -> None:
    one, other = record(user="ann"), record(user="bob")
    key, other_key = await kept(store, one), await kept(store, other)
    expect(await store.read(key), one, "read")
    expect(await store.read(other_key), other, "read of another")
    expect(await store.read(key), one, "read once more")


async def every_json_value_comes_back(store: SessionStore, wait: Wait = asyncio.sleep) -> None:
    one = record(text='é\U0001f9c5 "\\\x00\n', numbers=[0, -1, 2**53, 0.1, 1e300], nothing=None, flags=[True, False], deep={"a": [{"b": {}}], "a key": []})
    expect(await store.read(await kept(store, one)), one, "read")


async def keys_are_fit_for_a_cookie(store: SessionStore, wait: Wait = asyncio.sleep) -> None:
    keys = [await kept(store, record(n=n)) for n in range(20)]
    expect(len(set(keys)), 20, "different keys of 20 sessions")
    expect([key for key in keys if not _IN_A_COOKIE.fullmatch(key)], [], "keys of less than 43 letters, or of others than A-Z a-z 0-9 . _ ~ -")


async def nobody_else_s_key_is_taken(store: SessionStore, wait: Wait = asyncio.sleep) -> None:
    one = record(user="ann")
    key = await kept(store, one)
    forged = [key[:place] + ("A" if letter != "A" else "B") + key[place + 1 :] for place, letter in enumerate(key)]
    for wrong in [new_id(), "", "a", "../../etc/passwd", "*", "a\x00b", "a b", "é", "\udcff", key + "A", key[:-1], key * 100, key.swapcase(), *forged]:
        expect(await store.read(wrong), None, f"read of {wrong[:80]!r}")
        expect(await store.delete(wrong), None, f"delete of {wrong[:80]!r}")
    expect(await store.read(key), one, "read of the true key after all those")


async def nothing_is_shared(store: SessionStore, wait: Wait = asyncio.sleep) -> None:
    one = record(cart=[1])
    key = await kept(store, one)
    one["data"]["cart"].append(2)
    first = await store.read(key)
    expect(first and first["data"], {"cart": [1]}, "read after the written dict was changed")
    (first or one)["data"]["cart"].append(3)
    second = await store.read(key)
    expect(second and second["data"], {"cart": [1]}, "read after the read dict was changed")


async def what_is_too_large_is_refused(store: SessionStore, wait: Wait = asyncio.sleep) -> None:
    try:
        await store.write(record(text="x" * 2**21), _LONG_S)
    except ValueError:
        return
    raise Unexpected("write of 2 MiB: expected a ValueError; a session has a bound")


async def the_next_version_takes_the_place(store: SessionStore, wait: Wait = asyncio.sleep) -> None:
    first = record(n=1)
    second = record(2, first["id"], n=2)
    key = await kept(store, first)
    expect(await kept(store, second), key, "key of the next version")
    expect(await store.read(key), second, "read")


async def a_version_that_came_late_is_refused(store: SessionStore, wait: Wait = asyncio.sleep) -> None:
    first = record(n=1)
    second = record(2, first["id"], n=2)
    key = await kept(store, first)
    await kept(store, second)
    for version in (1, 2, 4):
        expect(await store.write(record(version, first["id"], n="late"), _LONG_S), None, f"write of version {version} over version 2")
    expect(await store.write(record(2, n="late"), _LONG_S), None, "write of version 2 over none")
    expect(await store.read(key), second, "read")


async def one_of_many_writers_wins(store: SessionStore, wait: Wait = asyncio.sleep) -> None:
    first = record(n=0)
    key = await kept(store, first)
    rivals = [record(2, first["id"], n=n) for n in range(1, 11)]
    keys = await asyncio.gather(*(store.write(rival, _LONG_S) for rival in rivals))
    winners = [rival for rival, written in zip(rivals, keys, strict=True) if written is not None]
    expect(len(winners), 1, "writers of one version that were told that they won")
    expect(await store.read(key), winners[0], "read")


async def what_is_deleted_is_gone(store: SessionStore, wait: Wait = asyncio.sleep) -> None:
    one, other = record(n=1), record(n=2)
    key, other_key = await kept(store, one), await kept(store, other)
    expect(await store.delete(key), one, "delete")
    expect(await store.read(key), None, "read after delete")
    expect(await store.delete(key), None, "delete once more")
    expect(await store.write(record(2, one["id"], n="late"), _LONG_S), None, "write of version 2 after delete")
    expect(await store.read(key), None, "read after that")
    expect(await store.read(other_key), other, "read of another")


async def one_of_many_deleters_gets_it(store: SessionStore, wait: Wait = asyncio.sleep) -> None:
    one = record(n=1)
    key = await kept(store, one)
    given = await asyncio.gather(*(store.delete(key) for _ in range(10)))
    expect([found for found in given if found is not None], [one], "what ten deletes gave back")


async def a_record_expires(store: SessionStore, wait: Wait = asyncio.sleep) -> None:
    short, long = record(n=1), record(n=2)
    short_key, long_key = await kept(store, short, _SHORT_S), await kept(store, long)
    expect(await store.read(short_key), short, "read before its time")
    await wait(_SHORT_S * 1.2)
    expect(await store.read(short_key), None, "read after its time")
    expect(await store.delete(short_key), None, "delete after its time")
    expect(await store.write(record(2, short["id"], n="late"), _LONG_S), None, "write of version 2 after its time")
    expect(await store.read(long_key), long, "read of another")


async def a_write_gives_new_time(store: SessionStore, wait: Wait = asyncio.sleep) -> None:
    first = record(n=1)
    second = record(2, first["id"], n=2)
    key = await kept(store, first, _SHORT_S)
    await kept(store, second)
    await wait(_SHORT_S * 1.2)
    expect(await store.read(key), second, "read after the time of the first version")


def _named(*cases: StoreCase) -> dict[str, StoreCase]:
    return {case.__name__.replace("_s_", "'s ").replace("_", " "): case for case in cases}


_ANYWHERE = _named(
    *(what_is_written_is_read, every_json_value_comes_back, keys_are_fit_for_a_cookie, nobody_else_s_key_is_taken),
    *(nothing_is_shared, what_is_too_large_is_refused),
)
_ON_A_SERVER = _named(
    *(the_next_version_takes_the_place, a_version_that_came_late_is_refused, one_of_many_writers_wins),
    *(what_is_deleted_is_gone, one_of_many_deleters_gets_it, a_record_expires, a_write_gives_new_time),
)
