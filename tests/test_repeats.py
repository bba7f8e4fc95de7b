from __future__ import annotations

from typing import Any

import pytest

from shallot import repeats
from shallot.repeats import Repeats


def raise_below(kind: type[Exception]) -> None:
    raise kind


def raised(kind: type[Exception], deep: int = 0) -> Exception:
    try:
        if deep:
            raise_below(kind)
        raise kind
    except Exception as error:
        return error


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"now": 100.0}
    monkeypatch.setattr(repeats, "monotonic", lambda: now["now"])
    return now


def test_ten_a_minute_from_each_site(clock: Any) -> None:
    told = Repeats()
    assert [told.is_news(raised(ValueError)) for _ in range(12)] == [True] * 10 + [False] * 2
    assert told.is_news(raised(ValueError, deep=1)), "another line"
    assert told.is_news(raised(KeyError)), "another class"
    assert [told.is_news(ValueError()) for _ in range(11)] == [True] * 10 + [False]
    clock["now"] += 59
    assert not told.is_news(raised(ValueError))
    clock["now"] += 1
    assert told.is_news(raised(ValueError))


def test_what_is_held_is_bounded(clock: Any) -> None:
    told = Repeats()
    kinds = [type(f"Error{number}", (Exception,), {}) for number in range(300)]
    for kind in kinds:
        told.is_news(kind())
    assert len(told._sites) == repeats.MAX_SITES
