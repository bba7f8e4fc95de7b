"""Plays the whole matrix and writes it into docs/topics/reliability.md: ``make matrix``. The exit code is 1 where a cell is not what it should be."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.live.servers import KINDS, ROOT

from .cells import Cell, Result
from .inside import TEMPERS, play_inside
from .live import AFTERWARDS, cells_of, play_live
from .room import FAULTS, STAGES

PAGE = ROOT / "docs/topics/reliability.md"
BEGIN, END = "<!-- make matrix writes from here -->\n", "<!-- to here -->\n"
SHORT = {"gone": "left", "silence": "open", "": "✓"}


def main() -> int:
    logging.disable()
    began = time.monotonic()
    results = {server: _play(server) for server in KINDS}
    bad = [f"{server}, {cell.name}: {result.told} {list(result.wrong)}" for server, cells in results.items() for cell, result in cells.items() if result.wrong]
    cells = sum(len(told) - 1 for told in results.values())
    live = sum(len(cells_of(server)) for server in KINDS)
    summary = (
        f"{time.strftime('%Y-%m-%d')}: **{cells - len(bad)} of {cells} cells survived** ({live} of them live, {cells - live} in process), "
        f"in {time.monotonic() - began:.0f} s.\n"
    )
    print(*bad, summary, sep="\n")
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{summary}\n{_table(results)}\n{END}{after}")
    return 1 if bad else 0


def _play(server: str) -> Mapping[Cell, Result]:
    with tempfile.TemporaryDirectory() as folder:
        live = asyncio.run(play_live(server, Path(folder)))
    cells = [Cell(fault, stage) for fault in FAULTS for stage in STAGES]
    inside = {cell: play_inside(cell, TEMPERS[KINDS[server].family]) for cell in cells if cell not in live}
    print(f"{server}: {len(live) - 1} cells live, {len(inside)} in process, {sum(bool(result.wrong) for result in (*live.values(), *inside.values()))} wrong")
    return {**{cell: {**live, **inside}[cell] for cell in cells}, AFTERWARDS: live[AFTERWARDS]}


def _table(results: Mapping[str, Mapping[Cell, Result]]) -> str:
    lines = ["| fault | " + " | ".join(STAGES) + " |", "| --- |" + " --- |" * len(STAGES)]
    for fault in FAULTS:
        lines.append(f"| {fault} | " + " | ".join(_cell([cells[Cell(fault, stage)] for cells in results.values()]) for stage in STAGES) + " |")
    return "\n".join(lines) + "\n"


def _cell(results: list[Result]) -> str:
    """What the clients of all servers were told: statuses and close codes, without their words."""
    if any(result.wrong for result in results):
        return "**wrong**"
    told = [SHORT.get(result.told, result.told.removeprefix("answered ").removeprefix("closed ")) for result in results]
    return ", ".join(dict.fromkeys(told))


if __name__ == "__main__":
    sys.exit(main())
