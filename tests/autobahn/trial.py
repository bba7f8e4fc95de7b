"""One server, both echoes on it, one judge over both: the verdicts of each, and the cases in which they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.live.servers import serve

from .judges import Judge, Verdict, judge

GROUPS = ("1", "2", "3", "4", "5", "6", "7", "10")
"""Framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, and one odd case. Not 9 (speed and size), 12 and 13 (compression): those take hours."""
SLOW = ("5.19", "5.20", "6.4.*")
"""These wait by themselves, for a second or two each."""
ECHOES = ("raw", "ours")
TIMELY = {Verdict("OK", "OK"), Verdict("NON-STRICT", "OK")}
"""Which of the two it is may depend on how soon the server fails a connection, while the echo of what came before is under way."""
PATIENCE = 40
"""How often such a case is asked again at most. The rarer verdict of those that vary came in one of five runs."""


class Trial(NamedTuple):
    verdicts: Mapping[str, Mapping[str, Verdict]]
    """By echo, then by case."""

    def counts(self, echo: str) -> Counter[str]:
        return Counter(verdict.behavior for verdict in self.verdicts[echo].values())

    @property
    def differing(self) -> dict[str, tuple[Verdict | None, Verdict | None]]:
        """By case: the verdict over the raw echo, and over ours."""
        raw, ours = (self.verdicts[echo] for echo in ECHOES)
        return {case: (raw.get(case), ours.get(case)) for case in sorted({*raw, *ours}) if raw.get(case) != ours.get(case)}


def trial(server: str, by: Judge, folder: Path, *, groups: Sequence[str] = GROUPS, cases: Sequence[str] = (), without: Sequence[str] = ()) -> Trial:
    """Both at the same time, each on a server of its own, so that neither has a quieter machine than the other."""
    wanted = cases or [f"{group}.*" for group in groups]
    with _serving(server, folder) as ports:
        return _ask(by, ports, wanted, without, folder)


@contextmanager
def _serving(server: str, folder: Path) -> Iterator[Sequence[int]]:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        serve(server, "tests.autobahn.app:raw", folder / "raw.log") as raw,
        serve(server, "tests.autobahn.app:ours", folder / "ours.log") as ours,
    ):
        yield raw.port, ours.port


def _ask(by: Judge, ports: Sequence[int], wanted: Sequence[str], without: Sequence[str], folder: Path) -> Trial:
    runs = [judge(by, port, wanted, without, folder / echo) for echo, port in zip(ECHOES, ports, strict=True)]
    for run in runs:
        next(run)
    return Trial({echo: next(run) for echo, run in zip(ECHOES, runs, strict=True)})


def never_of_raw(server: str, by: Judge, folder: Path, told: Trial) -> dict[str, tuple[Verdict | None, Verdict | None]]:
    """What differs, without the ``TIMELY`` cases for which raw ASGI, asked again and again, gets our verdict as well."""
    open_still = {case: ours for case, (raw, ours) in told.differing.items() if raw in TIMELY and ours in TIMELY}
    excused: set[str] = set()
    if open_still:
        with _serving(server, folder / "again") as ports:
            for number in range(PATIENCE):
                if not open_still:
                    break
                again = _ask(by, ports, [*open_still], [], folder / f"again-{number}")  # of both: alone, raw ASGI would have a quieter machine than before
                same = {case for case, verdict in again.verdicts["raw"].items() if verdict == open_still[case]}
                excused |= same
                open_still = {case: ours for case, ours in open_still.items() if case not in same}
    return {case: verdicts for case, verdicts in told.differing.items() if case not in excused}
