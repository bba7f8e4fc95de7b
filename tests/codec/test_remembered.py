from __future__ import annotations

import pytest

from shallot.codec.remembered import LONGEST, MOST, remembered


@pytest.mark.parametrize(
    ("texts", "asked"),
    [
        pytest.param(["a", "b", "a", None, None], ["a", "b", None], id="once for each"),
        pytest.param(["x" * LONGEST] * 2, ["x" * LONGEST], id="as long as may be"),
        pytest.param(["x" * (LONGEST + 1)] * 2, ["x" * (LONGEST + 1)] * 2, id="too long to be kept"),
        pytest.param(["a", *map(str, range(MOST)), "a"], ["a", *map(str, range(MOST)), "a"], id="forgotten for others"),
    ],
)
def test_what_is_asked_for_anew(texts: list[str | None], asked: list[str | None]) -> None:
    seen: list[str | None] = []

    def length(text: str | None) -> int:
        seen.append(text)
        return len(text or "")

    recall = remembered(length)
    assert [recall(text) for text in texts] == [len(text or "") for text in texts]
    assert seen == asked


def test_two_never_meet() -> None:
    one, other = remembered(lambda text: 1), remembered(lambda text: 2)
    assert (one("a"), other("a")) == (1, 2)
