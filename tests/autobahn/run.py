"""Autobahn's cases over a raw ASGI echo and over ours, on each server: ``make autobahn``, ``make autobahn GROUPS="9 12 13" SERVERS=granian``.

The exit code is 1 where a verdict differs. OK and NON-STRICT may depend on time: how soon the server fails a connection while it still echoes. A case that
has the one here and the other there counts, unless raw ASGI, asked again and again, gets our verdict too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.live.servers import KINDS

from .judges import install
from .trial import ECHOES, GROUPS, Trial, never_of_raw, trial

COLUMNS = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", nargs="*", default=GROUPS, help="of cases; 9, 12 and 13 take long")
    parser.add_argument("--servers", nargs="*", default=[*KINDS], choices=[*KINDS])
    options = parser.parse_args()
    by = install()
    if by is None:
        print("neither the Autobahn test suite nor kosoku could be installed here")
        return 1
    print(f"{by.name}, groups {' '.join(options.groups)}; {time.strftime('%Y-%m-%d')}")
    print(f"{'server':22} {'echo':5}" + "".join(f"{column:>15}" for column in COLUMNS) + f"{'cases':>7}{'differing':>11}")
    cases = differing = 0
    with tempfile.TemporaryDirectory() as folder:
        for server in options.servers:
            began = time.monotonic()
            told = trial(server, by, Path(folder) / server, groups=options.groups)
            _print(server, told, time.monotonic() - began)
            still = never_of_raw(server, by, Path(folder) / server, told)
            for case, (raw, ours) in told.differing.items():
                print(f"  {case}: raw {raw}, ours {ours}{'' if case in still else '; raw gets both, asked again'}")
            cases, differing = cases + len(told.verdicts["ours"]), differing + len(still)
    print(f"{cases - differing:,} of {cases:,} verdicts are those of raw ASGI")
    return 1 if differing or not cases else 0


def _print(server: str, told: Trial, seconds: float) -> None:
    for echo in ECHOES:
        counts = told.counts(echo)
        end = f"{len(told.differing):>11}   ({seconds:.0f} s)" if echo == "ours" else ""
        print(f"{server:22} {echo:5}" + "".join(f"{counts[column]:>15}" for column in COLUMNS) + f"{counts.total():>7}{end}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
