"""Who drives the cases: the Autobahn test suite itself, where there is a CPython 2.7 to run it, else kosoku, which runs the same cases without one.

Both live in a folder of the virtual environment, not in the environment itself: nobody else needs them, and neither installs everywhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

HOME = Path(sys.prefix) / "autobahn"
SUITE, KOSOKU = "autobahntestsuite==25.10.1", "kosoku==0.1.0"
INSTALL_S, RUN_S = 600, 1800

WSTEST = "import site, sys; site.addsitedir(sys.argv.pop(1)); from autobahntestsuite.wstest import run; run()"
"""``addsitedir``, as zope.interface is a namespace package of the old kind: its .pth must be read, and PYTHONPATH reads none."""

WHY_NONE = "needs the Autobahn test suite under CPython 2.7, or kosoku: make autobahn installs either"


class Verdict(NamedTuple):
    behavior: str
    """of the server, during the case: ``OK``, ``NON-STRICT``, ``INFORMATIONAL``, ``UNIMPLEMENTED``, ``FAILED``"""
    close: str
    """of how it closed"""

    def __str__(self) -> str:
        return self.behavior if self.close == "OK" else f"{self.behavior} (close: {self.close})"


class Judge(NamedTuple):
    """``prefix`` is the command, to which ``judge`` adds the server and the cases."""

    name: str
    prefix: Sequence[str]


def installed() -> Judge | None:
    """The judge that is there already."""
    python = python_2_7()
    if python and (HOME / "suite" / "autobahntestsuite").is_dir():
        return Judge(SUITE, [str(python), "-c", WSTEST, str(HOME / "suite")])
    kosoku = HOME / "kosoku" / "bin" / "kosoku"
    return Judge(KOSOKU, [str(kosoku)]) if kosoku.exists() else None


def install() -> Judge | None:
    """``installed``, after an attempt at each where none was; what went wrong is printed."""
    python = python_2_7()
    if not installed() and python:
        _try([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", HOME / "partly", SUITE])
        if (HOME / "partly" / "autobahntestsuite").is_dir():
            (HOME / "partly").rename(HOME / "suite")
    if not installed():
        print(f"no CPython 2.7 could take {SUITE}; trying {KOSOKU}, whose cases are the same", flush=True)
        _try([sys.executable, "-m", "venv", HOME / "kosoku"])
        _try([HOME / "kosoku" / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", KOSOKU])
    return installed()


def python_2_7() -> Path | None:
    """A CPython 2.7: what ``AUTOBAHN_PYTHON`` names, one on the path, or one of pyenv's."""
    return next((Path(found) for found in _candidates() if found and Path(found).exists()), None)


def _candidates() -> Iterator[str | Path | None]:
    yield os.environ.get("AUTOBAHN_PYTHON")
    roots = [os.environ.get("PYENV_ROOT"), Path.home() / ".pyenv", "/opt/pyenv"]
    for root in roots:
        yield from sorted(Path(root).glob("versions/2.7.*/bin/python2.7"), reverse=True) if root else ()
    yield shutil.which("python2.7")  # last: where it is a shim of pyenv's, it may know no 2.7 at all


def _try(command: Sequence[str | Path]) -> None:
    try:
        subprocess.run([*map(str, command)], check=True, timeout=INSTALL_S, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        print(error, str(getattr(error, "stderr", "") or "")[-2000:], flush=True)


# ---- a run


def judge(judge: Judge, port: int, cases: Sequence[str], without: Sequence[str], folder: Path) -> Iterator[Mapping[str, Verdict]]:
    """Begin, and at the next step give the verdicts by case: two of these run side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    address = f"ws://127.0.0.1:{port}"
    if judge.name == SUITE:
        spec = {"outdir": str(folder), "servers": [{"agent": "it", "url": address}], "cases": cases, "exclude-cases": without, "exclude-agent-cases": {}}
        (folder / "spec.json").write_text(json.dumps(spec))
        arguments = ["-m", "fuzzingclient", "-s", str(folder / "spec.json")]
    else:
        wanted, unwanted = ([flag for case in some for flag in (option, case)] for option, some in (("-i", cases), ("-x", without)))
        arguments = [*wanted, *unwanted, "-o", str(folder), address]
    log = folder / "log"
    with log.open("wb") as output, subprocess.Popen([*judge.prefix, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process:
        try:
            yield {}
            process.wait(RUN_S)
        finally:
            process.kill()
    report = folder / "index.json"
    if not report.exists():
        raise AssertionError(f"{judge.name} wrote no report; it said:\n{log.read_text(errors='replace')[-3000:]}")
    ((_, cases_told),) = json.loads(report.read_text()).items()
    yield {case: Verdict(told["behavior"], told["behaviorClose"]) for case, told in cases_told.items()}


if __name__ == "__main__":
    there = install()
    print("Autobahn:", there.name if there else "no judge could be installed: its tests are skipped")
