"""What the two checkers say of planted mistakes, and of correct uses.

``# error: mypy pyright`` ends a line that both must report; they must report no other line.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = {path.relative_to(HERE).as_posix(): path for path in sorted([*HERE.glob("correct/*.py"), *HERE.glob("mistakes/*.py")])}
AT_LEAST = 30

Lines: TypeAlias = Mapping[str, Mapping[int, str]]
"""file -> line -> what the checker says of it"""


def planted(name: str, checker: str) -> set[int]:
    marked = re.compile(rf"# error: (\w+ )*{checker}\b")
    return {number for number, line in enumerate(FILES[name].read_text().splitlines(), 1) if marked.search(line)}


@pytest.fixture(scope="module")
def mypy() -> Lines:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", "--show-absolute-path", "--no-pretty"]
    options = ["--config-file=", "--explicit-package-bases", "--namespace-packages", f"--cache-dir={ROOT / '.mypy_cache' / 'typing'}"]
    ran = subprocess.run([*command, *options, "correct", "mistakes"], cwd=HERE, capture_output=True, text=True)
    assert ran.returncode in {0, 1}, ran.stdout + ran.stderr
    found: dict[str, dict[int, str]] = {}
    for path, line, text in re.findall(r"^(.+?):(\d+): error: (.*)$", ran.stdout, re.MULTILINE):
        found.setdefault(Path(path).relative_to(HERE).as_posix(), {})[int(line)] = text
    return found


@pytest.fixture(scope="module")
def pyright() -> Lines:
    command = [sys.executable, "-m", "pyright", "--project", str(HERE), "--pythonpath", sys.executable, "--outputjson"]
    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})
    assert ran.returncode in {0, 1}, ran.stdout + ran.stderr
    found: dict[str, dict[int, str]] = {}
    for finding in json.loads(ran.stdout)["generalDiagnostics"]:
        if finding["severity"] == "error":
            found.setdefault(Path(finding["file"]).relative_to(HERE).as_posix(), {})[finding["range"]["start"]["line"] + 1] = finding["message"]
    return found


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
@pytest.mark.parametrize("name", FILES)
def test_reports_what_is_planted(name: str, checker: str, request: pytest.FixtureRequest) -> None:
    reported: Mapping[int, str] = request.getfixturevalue(checker).get(name, {})
    expected = planted(name, checker)
    assert {line: text for line, text in reported.items() if line not in expected} == {}, "reported, but not planted"
    assert sorted(expected - set(reported)) == [], "planted, but not reported"


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_enough_is_planted(checker: str) -> None:
    assert sum(len(planted(name, checker)) for name in FILES) >= AT_LEAST


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("correct/")])
def test_correct_uses_are_unmarked(name: str) -> None:
    assert not re.search(r"# (error:|type: ignore|pyright: ignore)", FILES[name].read_text())
