"""The soak in short; ``make soak MINUTES=15`` is the long one. And a soak of what must not pass, for one that finds nothing proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from .soak import MIB, Plan, growth, soak


@pytest.mark.timeout(120)
async def test_through_faults_nothing_is_lost_and_nothing_left(tmp_path: Path) -> None:
    rows, wrong = await soak(Plan(seconds=20, sockets=200, rate=50), tmp_path / "log")
    assert not wrong, "\n".join([*wrong, *rows])


@pytest.mark.timeout(120)
async def test_what_is_lost_and_what_is_left_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.live.soak.SETTLE_S", 1.0)
    _, wrong = await soak(Plan(seconds=3, sockets=10, rate=5, app="tests.live.soak_app:faulty_app"), tmp_path / "log")
    found = "\n".join(wrong)
    for expected in (
        "heard its own 2, not 1",
        "has not heard all: ",
        "tasks: ",
        "the log has 10 complaints, first 'WARNING:tests.live.soak_app:a task is left'",
    ):
        assert expected in found


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        pytest.param([(0, 50 * MIB), (10, 100 * MIB), (20, 100 * MIB), (30, 100 * MIB)], 0, id="what it takes to become warm is not counted"),
        pytest.param([(0, 0), (10, 90 * MIB), (20, 100 * MIB), (30, 101 * MIB)], 60 * MIB, id="one in ten seconds"),
        pytest.param([(0, 0), (20, 5), (30, 6), (40, 5)], 0, id="a hill"),
    ],
)
def test_growth(samples: list[tuple[float, int]], expected: float) -> None:
    assert growth(samples) == pytest.approx(expected)
