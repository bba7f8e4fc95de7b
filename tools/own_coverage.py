"""Each module must be covered fully, lines and branches, by its own test file alone. Then a test is findable, and so is its absence.

``make coverage`` checks all; ``python tools/own_coverage.py websocket/engine.py ...`` checks some.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "shallot"
TESTS = ROOT / "tests"

FACE_TEST = TESTS / "test_exports.py"
"""What covers the faces of packages."""


def own_test(module: Path) -> Path:
    """``src/shallot/a/b.py`` -> ``tests/a/test_b.py``."""
    if module.name == "__init__.py":
        return FACE_TEST
    return TESTS / module.relative_to(SRC).parent / f"test_{module.name}"


def check(module: Path) -> str | None:
    """What is missing, or ``None``."""
    test = own_test(module)
    if not test.exists():
        return f"no {test.relative_to(ROOT)}"
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "COVERAGE_FILE": f"{folder}/data"}
        coverage = [sys.executable, "-m", "coverage"]
        run = [*coverage, "run", "--branch", f"--include={module}", "--source=", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
        tested = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True)
        if tested.returncode:
            return f"{test.relative_to(ROOT)} fails: {tested.stdout.strip().splitlines()[-1]}"
        subprocess.run(
            [*coverage, "json", "-q", "--fail-under=0", f"--include={module}", "-o", f"{folder}/report"], cwd=ROOT, env=environment, capture_output=True
        )
        report = json.loads(Path(folder, "report").read_text()) if Path(folder, "report").exists() else {"files": {}}
    if not report["files"]:
        return f"{test.relative_to(ROOT)} does not load it"
    (found,) = report["files"].values()
    missing = [f"lines {found['missing_lines']}"] if found["missing_lines"] else []
    missing += [f"branches {found['missing_branches']}"] if found["missing_branches"] else []
    return ", ".join(missing) or None


def main(names: Sequence[str]) -> int:
    modules = [SRC / name for name in names] or [path for path in sorted(SRC.rglob("*.py")) if path.read_text().strip()]
    failures = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for module, missing in zip(modules, pool.map(check, modules), strict=True):
            failures += missing is not None
            print(f"{'FAIL' if missing else 'ok  '} {module.relative_to(SRC)}{': ' + missing if missing else ''}", flush=True)
    print(f"{len(modules) - failures} of {len(modules)} modules covered fully by their own test file")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
