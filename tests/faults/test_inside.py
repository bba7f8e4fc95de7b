"""The cells of the fault matrix that are played in process: each fault of a server that no real one can be made to show, at each stage."""

from __future__ import annotations

import logging

import pytest

from .cells import Cell, judge
from .inside import CELLS, TEMPERS, play_inside
from .room import FAULTS, STAGES


@pytest.mark.parametrize("family", TEMPERS)
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_a_fault_of_the_server(cell: Cell, family: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    assert play_inside(cell, TEMPERS[family]).wrong == []


def test_the_matrix_is_twelve_by_eight() -> None:
    assert (len(set(FAULTS)), len(set(STAGES))) == (12, 8)


@pytest.mark.parametrize(
    ("cell", "told", "lines"),
    [
        (Cell("raise", "accept"), "answered 200", ["on_connect"]),
        (Cell("raise", "accept"), "answered 500", ["on_connect", "begin", "finally", "on_close 1011"]),
        (Cell("reset", "in a wait"), "gone", ["begin", "on_close 1006"]),
        (Cell("reset", "in a wait"), "gone", ["begin", "finally"]),
        (Cell("reset", "in a wait"), "gone", ["begin", "finally", "on_close 1006", "on_close 1006"]),
        (Cell("reset", "in a wait"), "gone", ["begin", "finally in another task", "on_close 1006"]),
    ],
)
def test_what_is_wrong_is_said(cell: Cell, told: str, lines: list[str]) -> None:
    assert judge(cell, told, lines).wrong
