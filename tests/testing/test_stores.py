from __future__ import annotations

from typing import Any

import pytest

from shallot.sessions.memory import memory_store
from shallot.sessions.record import parse_record, stored_name
from shallot.testing import Unexpected, session_store_cases

from ..clock import Clock

CASES = session_store_cases()


class Wrong:
    """A memory store with one fault."""

    def __init__(self, clock: Clock, fault: str) -> None:
        self.inner: Any = memory_store(clock=clock, max_bytes=2**23 if fault == "keeps anything" else 2**16)
        self.fault = fault
        self.count = 0
        self.last: Any = None

    async def read(self, key: str) -> Any:
        match self.fault:
            case "forgets":
                return None
            case "reads by prefix":
                key = self.last if self.last and key[:10] == self.last[:10] else key
            case "ignores case":
                key = self.last if self.last and key.lower() == self.last.lower() else key
            case "shares what it read":
                self.shared = getattr(self, "shared", None) or await self.inner.read(key)
                return self.shared
            case "shares what was written" if self.last_record:
                return self.last_record
            case "loses zeros":
                record = await self.inner.read(key)
                return record and {**record, "data": {name: value for name, value in record["data"].items() if value}}
        return await self.inner.read(key)

    last_record: Any = None

    async def write(self, record: Any, ttl_s: float) -> Any:
        self.last_record = record
        match self.fault:
            case "gives no key":
                return None
            case "short keys":
                await self.inner.write(record, ttl_s)
                return record["id"][:20]
            case "one key for all":
                return "k" * 43
            case "never expires":
                ttl_s = 10_000
            case "keeps the first time" if record["version"] > 1:
                ttl_s = 1
            case "compares nothing":
                held = await self.inner.read(record["id"])
                record = {**record, "version": held["version"] + 1 if held else 1}
        if self.fault == "tells everybody that he won":
            await self.inner.write(record, ttl_s)
            return record["id"]
        self.last = await self.inner.write(record, ttl_s) or self.last
        return self.last if self.last == record["id"] and (await self.inner.read(record["id"]) or {}).get("version") == record["version"] else None

    async def delete(self, key: str) -> Any:
        match self.fault:
            case "deletes nothing":
                return await self.inner.read(key)
            case "gives nothing back":
                await self.inner.delete(key)
                return None
            case "gives back twice":
                self.gone = getattr(self, "gone", None) or await self.inner.delete(key)
                return self.gone
        return await self.inner.delete(key)


FAULTS = {
    "what is written is read": "forgets",
    "every json value comes back": "loses zeros",
    "keys are fit for a cookie": "short keys",
    "nobody else's key is taken": "ignores case",
    "nothing is shared": "shares what it read",
    "what is too large is refused": "keeps anything",
    "the next version takes the place": "gives no key",
    "a version that came late is refused": "compares nothing",
    "one of many writers wins": "tells everybody that he won",
    "what is deleted is gone": "deletes nothing",
    "one of many deleters gets it": "gives back twice",
    "a record expires": "never expires",
    "a write gives new time": "keeps the first time",
}


def test_every_case_has_its_fault() -> None:
    assert FAULTS.keys() == CASES.keys()
    assert session_store_cases(in_cookie=True).keys() == set(list(FAULTS)[:6])


@pytest.mark.parametrize("name", CASES)
async def test_a_right_one_passes(name: str) -> None:
    clock = Clock()
    await CASES[name](memory_store(clock=clock), clock.wait)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        *FAULTS.items(),
        ("what is deleted is gone", "gives nothing back"),
        ("nothing is shared", "shares what was written"),
        ("nobody else's key is taken", "reads by prefix"),
        ("keys are fit for a cookie", "one key for all"),
    ],
)
async def test_a_wrong_one_fails(name: str, fault: str) -> None:
    clock = Clock()
    with pytest.raises(Unexpected, match="expected"):
        await CASES[name](Wrong(clock, fault), clock.wait)


async def test_nothing_shared_where_nothing_is_read() -> None:
    with pytest.raises(Unexpected, match="^read after the written dict was changed: expected"):
        await CASES["nothing is shared"](Wrong(Clock(), "forgets"))


def test_what_the_page_of_own_stores_uses() -> None:
    assert parse_record(b"{}") is None
    assert len(stored_name("k")) == 64
