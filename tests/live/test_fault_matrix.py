"""Twelve faults at eight stages, on every server: each cell that it can show. The others: tests/faults/test_inside.py. ``make matrix`` writes the table."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pytest

from tests.faults.cells import Cell, Result
from tests.faults.live import AFTERWARDS, cells_of, play_live
from tests.faults.room import OURS, PEERS, STAGES

from .servers import KINDS

SENDS = "silent send or OSError"
"""What ``send`` does once the client has left: each server does one of the two."""
NAMES = [f"{fault}, {stage}" for fault in (*OURS, *PEERS, SENDS) for stage in STAGES]


class Played(NamedTuple):
    cells: Sequence[Cell]
    results: Mapping[Cell, Result]


@pytest.fixture(scope="module", params=KINDS)
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """All cells of one server, played at the same time."""
    yield Played(cells_of(request.param), asyncio.run(play_live(request.param, tmp_path_factory.mktemp("matrix"))))


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_cell(played: Played, number: int) -> None:
    cell = played.cells[number]
    assert list(played.results[cell].wrong) == [], played.results[cell].told


def test_afterwards_nothing_is_left(played: Played) -> None:
    assert list(played.results[AFTERWARDS].wrong) == []
